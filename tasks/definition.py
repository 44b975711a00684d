"""Where everything stands in the definition of a task: the only module that knows its keys.

A definition is the plain JSON dict that Qlib users know, and that is how it is stored::

    model: {class, module_path, kwargs}
    dataset: {class, module_path, kwargs: {segments: {train: [start, end], ...}, handler: {...}, path, ...}}
    record: [{class, module_path, kwargs}, ...]

rollq adds what it planned: ``window``, ``variant``, ``member``, ``role``, ``init_model``, ``predict``, ``data`` and
``identity``; and ``experiment``, where that is not the pool's. Where a function reads what a person may have written,
it takes whatever there is; the checks of templates and tasks name what is wrong (``rolling/segment_checks.py``,
``rolling/segments.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

Definition = dict[str, Any]
Component = dict[str, Any]  # {class, module_path, kwargs}
Bounds = tuple[str | None, str | None]
Segments = dict[str, Bounds]

MODEL, DATASET, RECORD, ROLLING = "model", "dataset", "record", "rolling"
PARTS = (MODEL, DATASET, RECORD)
CLASS, MODULE, KWARGS = "class", "module_path", "kwargs"
COMPONENT_KEYS = frozenset({CLASS, MODULE, KWARGS})
SEGMENTS, HANDLER, PATH, CACHE_DIR, FITTED, CHECKS = "segments", "handler", "path", "cache_dir", "fitted", "data_checks"
ONLY = "only"  # of a dataset: {column: value} of the rows that it is reduced to
JOIN = "join"  # of a dataset: what is joined to its table, a list of mappings with a path each
TRAIN, VALID, TEST = "train", "valid", "test"
SEGMENTS_KEY = f"{DATASET}.{KWARGS}.{SEGMENTS}"  # where they are written, for messages
END_TIME, LOADED = "end_time", frozenset({"start_time", "end_time"})  # of a handler: how far it loads
QLIB_INIT, PROVIDER = "qlib_init", "provider_uri"  # of a dataset of Qlib: where its data are, and how Qlib is set up
FIT_DATES = ("fit_start_time", "fit_end_time")  # of a handler and its processors: what they are fitted on

WINDOW = "window"  # the test segment as it was planned, where the data did not reach its end
VARIANT = "variant"  # which challenger it is; the base has none
MEMBER = "member"  # which of the models it is that serve together; one that serves alone has none
ROLE = "role"  # of a member: its rows and its horizon; those without one are averaged
CHAIN = "init_model"  # the task whose model this one begins from
PREDICT = "predict"  # of a prediction task: the run of the model, and the days
DATA = "data"  # the state of all of the data when it was planned
PROJECT = "project"  # the commit of the template's folder
ROUTINE = "routine"  # (strategy, session) of the routine that waits for it
EXPERIMENT = "experiment"  # the MLflow experiment of its runs; left out where it has the name of the pool


def component(cls: str, kwargs: Mapping[str, object] | None = None) -> Component:
    """A component that names a registered class."""
    return {CLASS: cls, **({KWARGS: dict(kwargs)} if kwargs else {})}


def class_of(part: object) -> object:
    """What a component names as its class; None if it names none."""
    return part.get(CLASS) if isinstance(part, Mapping) else None


def kwargs_of(part: object) -> Mapping[str, Any]:
    """The keywords of a component; empty if it has none."""
    kwargs = part.get(KWARGS) if isinstance(part, Mapping) else None
    return kwargs if isinstance(kwargs, Mapping) else {}


def with_kwargs(part: Mapping[str, object], kwargs: Mapping[str, object]) -> Component:
    """A component with other keywords."""
    return {**part, KWARGS: dict(kwargs)}


def changed_kwargs(part: Component, change: Callable[[dict[str, object]], Mapping[str, object]]) -> Component:
    """A component with what ``change`` makes of its keywords; as it is where it has none."""
    kwargs = part.get(KWARGS)
    return with_kwargs(part, change(kwargs)) if isinstance(kwargs, dict) else part


def parts_of(content: Mapping[str, object]) -> Definition:
    """The part of a template that becomes the definition of its tasks.

    Raises:
        KeyError: one of ``PARTS`` is missing.
    """
    return {part: content[part] for part in PARTS}


def components_of(definition: Mapping[str, Any]) -> Iterator[tuple[str, Component]]:
    """The components that decide what comes out of a task, each with its place: ``model``, ``record[0]``."""
    for part in (MODEL, DATASET):
        if isinstance(definition.get(part), Mapping):
            yield part, definition[part]
    yield from records_of(definition)


def records_of(definition: Mapping[str, object]) -> Iterator[tuple[str, Component]]:
    """The records of a task, each with its place: ``record[0]``."""
    records = with_record_list(definition)[RECORD]
    for position, record in enumerate(records if isinstance(records, list) else ()):
        yield f"{RECORD}[{position}]", record


def with_record_list(definition: Mapping[str, object]) -> Definition:
    """A copy of a definition in which the records are a list: the reference takes one alone, or none, too."""
    records = definition.get(RECORD)
    return {**definition, RECORD: [records] if isinstance(records, Mapping) else [] if records is None else records}


def dataset_kwargs(definition: Mapping[str, object]) -> Mapping[str, object]:
    """The keywords of the dataset; empty if there are none."""
    return kwargs_of(definition.get(DATASET))


def with_dataset_kwargs(definition: Mapping[str, object], **changes: object) -> Definition:
    """A copy of a definition in which some keywords of the dataset are others; None takes one out."""
    kwargs = {**dataset_kwargs(definition), **changes}
    kept = {name: value for name, value in kwargs.items() if value is not None or name not in changes}
    dataset = definition.get(DATASET)
    return {**definition, DATASET: with_kwargs(dataset if isinstance(dataset, Mapping) else {}, kept)}


def with_paths(kwargs: Mapping[str, object], moved: Callable[[str, str], str | None]) -> dict[str, object]:
    """A copy of the keywords of a dataset with other paths: its own, and those of the files that are joined to it.

    Args:
        kwargs: as they are written.
        moved: the new path, of a path and the name of its key; None takes it out.
    """
    found = _moved(kwargs, PATH, moved)
    joined = kwargs.get(JOIN)
    if isinstance(joined, list):
        places = [f"{JOIN}[{position}].{PATH}" for position in range(len(joined))]
        one_by_one = zip(joined, places, strict=True)
        found[JOIN] = [_moved(one, key, moved) if isinstance(one, Mapping) else one for one, key in one_by_one]
    return found


def paths_of(kwargs: Mapping[str, object]) -> dict[str, str]:
    """The paths that ``with_paths`` can change, by the name of their key."""
    found: dict[str, str] = {}
    with_paths(kwargs, lambda path, key: found.setdefault(key, path))
    return found


def _moved(kwargs: Mapping[str, object], key: str, moved: Callable[[str, str], str | None]) -> dict[str, object]:
    path = kwargs.get(PATH)
    if not isinstance(path, str):
        return dict(kwargs)
    other = moved(path, key)
    return {name: other if name == PATH else one for name, one in kwargs.items() if name != PATH or other is not None}


def written_segments(definition: Mapping[str, object]) -> object:
    """The segments as they are written, whatever that is; None if there are none."""
    return dataset_kwargs(definition).get(SEGMENTS)


def segments_of(definition: Mapping[str, object]) -> Segments:
    """The segments that are pairs, empty if there are none."""
    written = written_segments(definition)
    pairs = written.items() if isinstance(written, Mapping) else ()
    return {name: (*bounds,) for name, bounds in pairs if isinstance(bounds, list | tuple) and len(bounds) == 2}


def segments_of_window(definition: Definition) -> dict[str, Any]:
    """The segments of a definition that was checked: texts, or Timestamps before it is canonical.

    What is changed in them is changed in the definition.
    """
    segments: dict[str, Any] = definition[DATASET][KWARGS][SEGMENTS]
    return segments


def set_segments(definition: Definition, segments: Mapping[str, object]) -> None:
    """Give a definition other segments, in place."""
    definition[DATASET][KWARGS][SEGMENTS] = dict(segments)


def with_tuples(definition: Definition) -> Definition:
    """A copy whose segments are tuples, as in the reference's tasks: so they may be a part of a key."""
    segments = written_segments(definition)
    if not isinstance(segments, Mapping):
        return definition
    pairs = {name: tuple(bounds) if isinstance(bounds, list) else bounds for name, bounds in segments.items()}
    dataset = definition[DATASET]
    return {**definition, DATASET: {**dataset, KWARGS: {**dataset[KWARGS], SEGMENTS: pairs}}}


def experiment_of(definition: Mapping[str, object], pool: str) -> str:
    """The experiment of a task's runs."""
    named = definition.get(EXPERIMENT)
    return named if isinstance(named, str) and named else pool


def with_experiment(definition: Mapping[str, object], experiment: str, pool: str) -> Definition:
    """A copy of a definition whose runs are in ``experiment``."""
    kept = {name: value for name, value in definition.items() if name != EXPERIMENT}
    return kept if experiment == pool else {**kept, EXPERIMENT: experiment}


def run_name(definition: Mapping[str, object]) -> str:
    """What a run of a task is called: its model and the first day that it predicts."""
    test, _ = segments_of(definition).get(TEST, ("", None))
    return f"{class_of(definition.get(MODEL))} {test or ''}".strip()


def with_test(definition: Definition, start: str, end: str | None) -> Definition:
    """A copy of a definition with another test segment."""
    made = deepcopy(definition)
    segments_of_window(made)[TEST] = [start, end]
    return made


def planned_test(definition: Mapping[str, object]) -> tuple[str, str | None]:
    """The test segment that a window was planned for; its end is None where the calendar did not reach it."""
    planned = definition.get(WINDOW)
    bounds = planned.get(TEST) if isinstance(planned, Mapping) else None
    start, end = bounds or segments_of(definition).get(TEST, ("", None))
    return str(start), end


def handler_kwargs(definition: Mapping[str, object]) -> dict[str, object]:
    """The keywords of the dataset's handler, to be changed in place; empty if it has no handler with keywords."""
    handler = dataset_kwargs(definition).get(HANDLER)
    options = handler.get(KWARGS) if isinstance(handler, dict) else None
    return options if isinstance(options, dict) else {}
