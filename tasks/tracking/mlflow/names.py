"""Names and values in the forms that MLflow takes: escaped and shortened on the way in, and back on the way out."""

from __future__ import annotations

import hashlib
import json
import math
import operator
import posixpath
import re
import sys
from collections.abc import Mapping, Sequence
from typing import SupportsIndex, cast

from rollq.tasks.errors import BadInput
from rollq.tasks.identity import canonical

MAX_NAME = 250  # characters of a name, MLflow's limit
MAX_VALUE = 500  # characters of a param that every tracking store takes; longer ones become an artifact
MAX_TAG = 5_000  # characters of a tag that every tracking store takes
# SQL stores keep a step in a signed number of 64 bits.
LARGEST_STEP = 2**63
CUT = ":z"
KEPT = 180  # characters of a name that is too long
PLAIN = re.compile(r"[^\w\-. /]", re.ASCII)


def escape(name: str) -> str:
    """``name`` as MLflow takes it: what it refuses as ``:hex:``; a name that is too long keeps its head and a hash.

    Raises:
        BadInput: it is no text.
    """
    if not isinstance(name, str):
        raise BadInput(f"{name!r} is not the name of a param, metric or tag.", "Use text.")
    plain = PLAIN.sub(_code, text(name, "A name"))
    if not plain or posixpath.normpath(plain) != plain or plain.startswith(("/", "..")):
        # Only then: as a rule slashes stay, because MLflow's pages group metrics by them.
        plain = re.sub(r"[/.]", _code, plain) or ":empty:"  # MLflow takes no name that looks like another path
    return plain if len(plain) <= MAX_NAME else shorten(plain)


def unescape(name: str) -> str:
    """The name that ``escape`` was given, unless it was shortened: then the recorder knows it."""
    return "" if name == ":empty:" else re.sub(r":([0-9a-f]+):", lambda found: chr(int(found[1], 16)), name)


def shorten(name: str) -> str:
    """A name that is too long, as its head and the head of its SHA-256; the mark between them escapes nothing."""
    head = re.sub(r":[0-9a-f]*$", "", name[:KEPT]).rstrip("/. ")
    return f"{head}{CUT}{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def is_shortened(name: str) -> bool:
    """Whether a name in the store is not the whole one."""
    return CUT in name


def flatten(params: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested mappings as dotted names; text as it is, everything else as JSON.

    Raises:
        TemplateError: a value has no JSON form.
    """
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping) and value:
            found = flatten(value, f"{prefix}{name}.")
        else:
            found = {f"{prefix}{name}": value if isinstance(value, str) else json.dumps(canonical(value, str(name)))}
        if twice := flat.keys() & found.keys():
            raise BadInput(f"Two params have the name {sorted(twice)[0]!r}.", "Rename one of them.")
        flat.update(found)
    return flat


def text(value: object, what: str) -> str:
    """``value`` as text that every store takes.

    Raises:
        BadInput: it holds half a character (a lone surrogate).
    """
    made = str(value)
    try:
        made.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{what} holds half a character (a lone surrogate).", "Correct the text.") from None
    return made


def number(value: float, name: str) -> float:
    """``value`` as the number of a metric.

    Raises:
        BadInput: it is none.
    """
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"The metric {name!r} is no number: {error}.", "Give a float.") from None


def metrics_and_step(
    given: Sequence[object], step: int | None, more: Mapping[str, float]
) -> tuple[dict[str, float], int]:
    """Metrics by name and their step, of the arguments of ``log_metrics``, in whichever order they come.

    Raises:
        BadInput: two steps are given, or the step is no whole number.
    """
    metrics, steps = dict(more), [] if step is None else [step]
    for one in given:
        if isinstance(one, Mapping):
            metrics.update(one)
        elif one is not None:
            steps.append(step_of(one))
    if len(steps) > 1:
        raise BadInput(f"Metrics are of one step, not of {len(steps)}.", "Give one: log_metrics(step=3, loss=1.0).")
    return metrics, step_of(steps[0] if steps else None)


def step_of(value: object) -> int:
    """``value`` as the step of a metric; None is 0.

    Raises:
        BadInput: it is no whole number, or too large.
    """
    try:
        step = 0 if value is None else operator.index(cast(SupportsIndex, value))
    except TypeError:
        raise BadInput(f"A step is a whole number, not {value!r}.", "Count the steps.") from None
    if not -LARGEST_STEP <= step < LARGEST_STEP:
        raise BadInput(f"The step {step} is too large.", "Use one of at most 63 bits.")
    return step


def infinite_again(value: float) -> float:
    """A metric as it was logged: SQL stores hold the largest number there is in place of infinity."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value


def quoted(text: str) -> str:
    """Text as a literal of MLflow's search syntax, which knows two kinds of quotes and no escapes.

    Raises:
        BadInput: the text has both kinds.
    """
    if "'" in text and '"' in text:
        raise BadInput(f"MLflow cannot search for {text!r}.", "Choose a name with one kind of quotes, or use its id.")
    return f'"{text}"' if "'" in text else f"'{text}'"


def _code(found: re.Match[str]) -> str:
    return f":{ord(found[0]):x}:"
