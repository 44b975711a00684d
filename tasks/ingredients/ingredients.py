"""What a rolling task is made of besides its template: the data that its window sees, code, and libraries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.registry import resolve
from rollq.tasks.components.source import Source, source_of, versions_of
from rollq.tasks.definition import CLASS, DATA, KWARGS, PROJECT, Definition, components_of, kwargs_of, segments_of
from rollq.tasks.identity import IDENTITY, WHOLE, canonical
from rollq.tasks.ingredients.called import functions_called, packages_called
from rollq.tasks.ingredients.project import project_of
from rollq.tasks.ingredients.seen import Seen, sessions_of

MARKS = "marks"  # in an identity: what tells later which sessions were revised; not part of what the task is


def sources_of(definition: Mapping[str, object], extra: tuple[str, ...] = ()) -> dict[str, Source]:
    """The source of each component, by its place in the definition; of those too that a model's keywords name.

    Raises:
        ComponentError: a class is not registered, or cannot be imported.
    """
    found: dict[str, Source] = {}
    for place, config in components_of(definition):
        cls = resolve(config, place, extra)
        packages, inner = _named(cls, kwargs_of(config), extra)
        source = source_of(cls)
        found[place] = replace(source, libraries=source.libraries | packages)
        for name, part in inner.items():
            key = f"{place}.{KWARGS}.{name}"
            found[key] = source_of(resolve(part, key, extra))
    return found


def _named(
    cls: type[object], kwargs: Mapping[str, object], extra: tuple[str, ...]
) -> tuple[frozenset[str], Mapping[str, object]]:
    """The packages and the components that keywords name: as a model says, or as expressions of a dataset call them."""
    if issubclass(cls, Dataset):
        return packages_called(kwargs), functions_called(kwargs, extra)
    if not issubclass(cls, Model):
        return frozenset(), {}
    return frozenset(cls.named_packages(kwargs)), cls.inner_components(kwargs)


class Ingredients:
    """Adds to the windows of one template what they are made of.

    Args:
        definition: of the template.
        dataset: it says what its sessions hold, or at least what identifies its data (``rollq.Dataset``).
        sessions: all sessions of the data, as ``YYYY-MM-DD``.
        extra: further registered classes (the setting ``components``).
        folder: of the template; the commit of its project is kept with the windows.
    """

    def __init__(
        self,
        definition: Mapping[str, object],
        dataset: Dataset,
        sessions: list[str],
        extra: tuple[str, ...] = (),
        folder: Path | None = None,
    ) -> None:
        """What all windows share is found once: sources are parsed, sessions hashed, git is asked."""
        sources = sources_of(definition, extra)
        self._code = {
            place: {CLASS: source.target, "own": source.own, "sha256": source.sha256}
            for place, source in sources.items()
        }
        self._libraries = versions_of({name for source in sources.values() for name in source.libraries})
        self._state = dict(dataset.fingerprint())
        self._seen = seen_of(dataset, sessions)
        project = project_of(folder) if folder else {}
        self._beside = {DATA: self._state, **({PROJECT: project} if project else {})}

    def added_to(self, window: Definition) -> Definition:
        """``window`` with its ``identity``, and beside it how things were when it was planned.

        ``data`` is the state of all of the data, ``project`` the commit of the template's folder.
        """
        segments = segments_of(window)
        identity: dict[str, object] = {"code": self._code, "libraries": self._libraries}
        if self._seen is None:
            identity["data"] = {WHOLE: self._state}
        else:
            identity |= {"data": self._seen.data(segments), MARKS: self._seen.marks(segments)}
        return {**window, **self._beside, IDENTITY: identity}


def seen_of(dataset: Dataset, sessions: list[str]) -> Seen | None:
    """What windows can see of a dataset; None if it does not say what its sessions hold."""
    ask = getattr(dataset, "session_hashes", None)
    hashes = ask() if callable(ask) else None
    if hashes is None:
        return None
    back, known = (int(getattr(dataset, name, 0)) for name in ("feature_lookback", "feature_lookahead"))
    return Seen(sessions, hashes, back, int(dataset.label_lookahead), known)


def other_data(definition: Mapping[str, object], dataset: Dataset) -> list[str]:
    """The segments that see other data in this dataset than when the task was made: it was revised since.

    Args:
        dataset: of the definition.
    """
    identity = definition.get(IDENTITY)
    planned = identity.get("data") if isinstance(identity, Mapping) else None
    if not isinstance(planned, Mapping):
        return []
    if WHOLE in planned:
        return [] if canonical(dict(dataset.fingerprint())) == planned[WHOLE] else [WHOLE]
    seen = seen_of(dataset, sessions_of(dataset))
    now = seen.data(segments_of(definition)) if seen else {}
    return [name for name in planned if planned[name] != now.get(name)]
