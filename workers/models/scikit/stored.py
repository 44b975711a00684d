"""Estimators as files without pickle: skops' form, made the same for the same estimator, and read if it may be."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence

from rollq.tasks.errors import PermanentError
from rollq.workers.models.scikit.estimators import SETTING, Estimator, is_theirs

SCHEMA = "schema.json"
FIRST = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say
# What arrays are made of; skops trusts most of it by itself.
PLAIN = ("numpy", "scipy", "builtins")
# What gradient boosting holds beside its classes; what is inside a partial is looked at, too.
CALLS = frozenset({"collections.OrderedDict", "functools.partial", "sklearn.utils.validation.check_array"})


def dumped(estimator: Estimator) -> bytes:
    """The estimator in skops' form: the same bytes for the same estimator.

    Raises:
        PermanentError: skops cannot keep it.
    """
    import skops.io

    try:
        return _same_for_the_same(skops.io.dumps(estimator))
    except (TypeError, AttributeError, NotImplementedError) as error:
        raise PermanentError(
            f"skops cannot keep a {type(estimator).__name__}: {error}.", "Use another estimator."
        ) from error


def loaded(content: bytes, allowed: Sequence[str]) -> Estimator:
    """The estimator that ``dumped`` wrote.

    Args:
        content: skops' form.
        allowed: packages whose classes it may hold, beside plain arrays.

    Raises:
        PermanentError: it holds something else, which is not imported.
    """
    import skops.io

    named = skops.io.get_untrusted_types(data=content)
    for path in named:
        if not _is_allowed(path, allowed):
            raise PermanentError(f"The saved estimator holds {path}, which is not allowed.", SETTING)
    estimator: Estimator = skops.io.loads(content, trusted=named)
    return estimator


def _is_allowed(path: str, allowed: Sequence[str]) -> bool:
    """Whether a type is one that an allowed package defines; others are not even imported."""
    if path in CALLS:
        return True
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] not in (*allowed, *PLAIN):
        return False
    return is_theirs(getattr(importlib.import_module(module), name, None), (*allowed, *PLAIN))


def _same_for_the_same(content: bytes) -> bytes:
    """skops names things by where they lie in memory, and a zip keeps times: numbers in order take their place."""
    with zipfile.ZipFile(io.BytesIO(content)) as given:
        schema = json.loads(given.read(SCHEMA))
        names: dict[tuple[bytes, str], str] = {}  # by content: whether two attributes share one does not matter
        for number, node in enumerate(_nodes(schema)):
            if "__id__" in node:
                node["__id__"] = number
            if isinstance(file := node.get("file"), str):
                ending = file.rpartition(".")[2]
                node["file"] = names.setdefault((given.read(file), ending), f"{len(names)}.{ending}")
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as written:
            for (part, _), name in names.items():
                written.writestr(zipfile.ZipInfo(name, FIRST), part, zipfile.ZIP_DEFLATED)
            text = json.dumps(schema, indent=1)
            written.writestr(zipfile.ZipInfo(SCHEMA, FIRST), text, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _nodes(value: object) -> Iterator[dict[str, object]]:
    """Every mapping in the schema, in order."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _nodes(one)
