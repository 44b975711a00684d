"""The tasks that a strategy of the user's own names, made into windows as a template's are: nothing sees the future."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.definition import (
    DATASET,
    PARTS,
    RECORD,
    TEST,
    WINDOW,
    Definition,
    planned_test,
    segments_of,
    segments_of_window,
)
from rollq.tasks.errors import TemplateError
from rollq.tasks.identity import IDENTITY, canonical
from rollq.tasks.ingredients.ingredients import Ingredients
from rollq.tasks.ingredients.seen import sessions_of
from rollq.tasks.rolling.segment_checks import check_segments


def checked(tasks: object, source: str) -> list[Definition]:
    """The tasks that a method of a strategy returned, as definitions.

    Raises:
        TemplateError: they are none; it names the method ``source``.
        SegmentError: segments are missing or no pairs.
    """
    fix = f"Let {source} return a list of {{model, dataset, record}}."
    if isinstance(tasks, Mapping | str) or not isinstance(tasks, Sequence):
        raise TemplateError(f"it returned a {type(tasks).__name__}.", fix, source)
    found = []
    for task in tasks:
        if not isinstance(task, Mapping) or any(part not in task for part in PARTS):
            raise TemplateError("a task has no model, dataset or record.", fix, source)
        record = task[RECORD]
        made: Definition = canonical({**task, RECORD: [record] if isinstance(record, Mapping) else record})
        check_segments(made)
        found.append(made)
    return found


def begun(
    tasks: Sequence[Definition], session: str | None, after: str, until: str | None, components: tuple[str, ...]
) -> tuple[tuple[Definition, ...], tuple[str, ...]]:
    """Those of the tasks whose test segment has begun, as windows, and the sessions that they predict.

    Args:
        session: the clock; None: whatever the day.
        after: leave out those that begin on this session or before it.
        until: predict up to this session; None: up to the clock.
        components: further registered classes.
    """
    found: list[Definition] = []
    days: set[str] = set()
    for task in tasks:
        start, end = planned_test(task)
        if start <= after or (session is not None and start > session):
            continue
        dataset: Dataset = build(task[DATASET], DATASET, components)
        known = sessions_of(dataset)
        last = min(end or known[-1], until or session or known[-1])
        if IDENTITY not in task:  # a template's window has one already
            segments_of_window(task)[TEST] = [start, last]
            planned = {**task, WINDOW: {TEST: [start, end]}}
            task = Ingredients(task, dataset, known, components).added_to(planned)
        found.append(task)
        days |= {day for day in known if start <= day <= str(segments_of(task)[TEST][1])}
    return tuple(found), tuple(sorted(days))
