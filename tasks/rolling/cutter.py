"""From a template and its data to the rolling tasks of its windows: all at once, or as a session sees them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    CHECKS,
    DATASET,
    MODEL,
    ROLLING,
    TEST,
    WINDOW,
    Definition,
    kwargs_of,
    segments_of_window,
    with_kwargs,
    with_test,
)
from rollq.tasks.errors import SegmentError
from rollq.tasks.identity import canonical
from rollq.tasks.ingredients.ingredients import Ingredients
from rollq.tasks.ingredients.seen import sessions_of
from rollq.tasks.rolling.calendar import TimeAdjuster, timestamp
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.tasks.rolling.dataset.cuts import check_cuts, check_windows, with_cuts
from rollq.tasks.rolling.dataset.used_columns import check_used_columns
from rollq.tasks.rolling.duration import Distance, following_test, step_of
from rollq.tasks.rolling.generator import RollingGen
from rollq.tasks.rolling.template import Template

STEP = "rolling.kwargs.step"


@dataclass(frozen=True)
class Windows:
    """What a template comes to: rolling tasks, and the sessions (``YYYY-MM-DD``) that they predict."""

    definitions: tuple[Definition, ...]
    sessions: tuple[str, ...]


class WindowCutter:
    """Cuts one definition of a template into windows on the calendar of its data.

    Args:
        definition: the template's own, or that of a challenger.
        step: sessions of a window's test segment, or a duration; None: the template's.
        checked: the data were looked at as a whole, of which this definition sees a part.
    """

    def __init__(
        self,
        template: Template,
        settings: Settings,
        definition: Definition | None = None,
        step: int | str | None = None,
        checked: bool = False,
    ) -> None:
        """Nothing is read yet. What rolls is copied, because a strategy may give it a step of its own."""
        self._definition = definition or template.definition
        self._rolling = deepcopy(template.rolling)
        if step is not None:
            # A strategy that trains more often than its windows are long has a step of its own (`refit_every`).
            self._rolling = with_kwargs(self._rolling, {**kwargs_of(self._rolling), "step": step})
        self._components = settings.components
        self._folder = template.folder
        self._checked = checked

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset of the template.

        Raises:
            ComponentError: a class or keyword is wrong.
        """
        dataset: Dataset = build(self._definition[DATASET], DATASET, self._components)
        return dataset

    @cached_property
    def sessions(self) -> list[str]:
        """The sessions of the data, as ``YYYY-MM-DD``."""
        return sessions_of(self.dataset)

    @cached_property
    def _ingredients(self) -> Ingredients:
        """What tells two windows apart besides the template: data, code, libraries."""
        return Ingredients(self._definition, self.dataset, self.sessions, self._components, self._folder)

    @cached_property
    def step(self) -> Distance:
        """The length of a window's test segment."""
        return step_of(self._generator(len(self.sessions)).step, STEP)

    def all(self) -> Windows:
        """Every window of the template's range.

        Raises:
            SegmentError: segments are reversed, overlap, or leave the calendar; or no window fits.
            DataError: the data is missing or cannot be used.
        """
        tasks = self._generated(self._definition, len(self.sessions))
        definitions = tuple(self._ingredients.added_to(_closed(task, self.sessions[-1])) for task in tasks)
        return Windows(definitions, self._predicted(definitions))

    def at(self, session: str, after: str | None = None, until: str | None = None) -> Windows:
        """The windows whose test segment has begun by ``session``, as they are seen when no later session is known.

        Args:
            after: leave out those that begin on this session or before it.
            until: predict up to this session (``session`` itself, or a later one in a simulation).

        Raises:
            SegmentError: as ``all``.
        """
        known = bisect_right(self.sessions, session)
        start, _ = segments_of_window(self._definition)[TEST]  # its end is the day that it is
        if not known or self.sessions[known - 1] < start or not self._is_due(known, after):
            return Windows((), ())
        tasks = self._generated(with_test(self._definition, start, session), known, after)
        definitions = tuple(self._ingredients.added_to(self._as_known(task, until or session)) for task in tasks)
        return Windows(definitions, self._predicted(definitions))

    def check_data(self) -> None:
        """Look at the data, once, before the first window is cut: it reads all of them. Raises as ``all``."""
        if not self._checked:
            model = build(self._definition[MODEL], MODEL, self._components)
            if check := getattr(model, "check_dataset", None):
                check(self.dataset)
            self.dataset.check()
            check_used_columns(self._definition, self.dataset, self._components)
            self._checked = True

    def _is_due(self, known: int, after: str | None) -> bool:
        """Whether a window begins after the one that began on ``after``: cheap, as it is asked every session."""
        return after is None or self._following(bisect_right(self.sessions, after) - 1) < known

    def _following(self, first: int) -> int:
        """The position of the session after ``first`` with which the next window begins, or past the last one."""
        return following_test(self.step, segments_of_window(self._definition)[TEST][0], self.sessions, first)

    def _generated(self, definition: Definition, known: int, after: str | None = None) -> list[Definition]:
        """The windows on the first ``known`` sessions, those alone that begin after ``after``."""
        self.check_data()
        generator, lookahead = self._generator(known), self.dataset.label_lookahead
        ahead = self._ahead()
        check_cuts(self._rolling, lookahead, ahead)
        tasks = generator.generate(definition)
        check_windows(tasks, self.sessions, self._rolling, lookahead, ahead)
        if not tasks:
            raise SegmentError("no window fits into the test segment.", "Give a longer test segment or a smaller step.")
        # Cut and thrown away rather than begun later: where a window lies depends on the first one.
        if after is not None:
            earliest = timestamp(after)
            tasks = [task for task in tasks if segments_of_window(task)[TEST][0] > earliest]
        # Timestamps become texts here, once, before anything is hashed or stored.
        return [canonical(task) for task in tasks]

    def _generator(self, known: int) -> RollingGen:
        # The calendar ends with what is known: the generator cannot look beyond it by mistake.
        calendar = TimeAdjuster(pd.DatetimeIndex(self.sessions[:known]))
        ahead = self._ahead()
        rolling = with_cuts(self._rolling, self.dataset.label_lookahead + ahead, self._components)
        generator: RollingGen = build(rolling, ROLLING, self._components, calendar=calendar)
        return generator

    def _ahead(self) -> int:
        """Sessions ahead of today with which a window may begin: on the day that it is planned, the last labels are not
        known yet.
        """
        checks = DataChecks.of(kwargs_of(self._definition[DATASET]).get(CHECKS))
        return checks.sessions_ahead(self.sessions, int(getattr(self.dataset, "sessions_ahead", 0)))

    def _as_known(self, task: Definition, until: str) -> Definition:
        """``task`` with its planned test segment written down, and that of its dataset closed where the data ends."""
        segments = segments_of_window(task)
        start, end = segments[TEST]
        first = self.sessions.index(start)
        last = self.sessions[min(self._following(first), len(self.sessions)) - 1]
        segments[TEST] = [start, min(end or last, until)]
        # The planned end is a part of the definition; what the window predicts at first depends on the day of planning.
        return {**task, WINDOW: {TEST: [start, end]}}

    def _predicted(self, definitions: Iterable[Definition]) -> tuple[str, ...]:
        tests = [segments_of_window(definition)[TEST] for definition in definitions]
        if not tests:
            return ()
        start, end = min(test[0] for test in tests), max(test[1] for test in tests)
        return tuple(day for day in self.sessions if start <= day <= end)


def _closed(task: Definition, last: str) -> Definition:
    """Close the last window's open end, so that it means the same when more sessions are known later."""
    segments = segments_of_window(task)
    start, end = segments[TEST]
    if end is None or end > last:
        segments[TEST] = [start, last]
    return task
