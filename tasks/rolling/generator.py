"""Task generators: one template in, many rolling tasks out.

The semantics are those of Qlib's task generators; docs/reference/differences.md lists where rollq differs and why.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from numbers import Integral
from typing import Any

from rollq.tasks.definition import TEST, TRAIN, Definition, segments_of_window, set_segments
from rollq.tasks.errors import SegmentError, TemplateError
from rollq.tasks.rolling.calendar import EXPANDING, SLIDING, Segment, Time, TimeAdjuster, default_calendar
from rollq.tasks.rolling.duration import Duration, distance, following_test, step_of
from rollq.tasks.rolling.handlers import extend_end_time, roll_fit_dates
from rollq.tasks.rolling.segments import (
    Segments,
    align_segments,
    date_segments,
    named,
    purge_segments,
    read_segments,
    refuse_future,
    trunc_segments,
)

Task = Definition


class TaskGen(ABC):
    """Makes tasks from a template."""

    @abstractmethod
    def generate(self, task: Task) -> list[Task]:
        """The tasks of one template, which stays as it is."""

    def __call__(self, *args: Any, **kwargs: Any) -> list[Task]:
        """The same as ``generate``."""
        return self.generate(*args, **kwargs)


def task_generator(tasks: Task | Sequence[Task], generators: TaskGen | Sequence[TaskGen]) -> list[Task]:
    """Apply generators one after the other to templates: all tasks of the first template, then of the second."""
    found: list[Task] = [tasks] if isinstance(tasks, dict) else list(tasks)
    for generator in [generators] if isinstance(generators, TaskGen) else generators:
        found = [made for task in found for made in generator.generate(task)]
    return found


def handler_mod(task: Task, rolling_gen: RollingGen) -> None:
    """Let the handler of a dataset load data up to the window's test end, where it would stop earlier."""
    test_end = segments_of_window(task)[rolling_gen.test_key][1]
    extend_end_time(task, test_end, rolling_gen.ta)


class RollingGen(TaskGen):
    """Cuts a template into rolling windows.

    Args:
        step: sessions from one window to the next, and length of a test segment; or a duration such as ``7d``: windows
            begin on the first session at or after the test start and so many times the span.
        rtype: ``ROLL_EX`` (the train segment keeps its start) or ``ROLL_SD`` (it slides).
        ds_extra_mod_func: called with (task, this generator) after the segments of a task were set; None: nothing.
        test_key: the name of the test segment.
        train_key: the name of the train segment.
        trunc_days: segments other than test end at least so many sessions before the test start; of a duration, so that
            nothing that looks so far ahead reaches it.
        task_copy_func: how a task is copied.
        calendar: the sessions; None: those of the data, where a ``RollingStrategy`` has the generator; elsewhere those
            that ``rollq.init`` found.
        purge: sessions left out between a segment's end and the start of the next one, so that its labels do not look
            into that one (López de Prado, Advances in Financial Machine Learning, 2018, chapter 7). ``trunc_days``
            counts from session to session: ``purge=d`` before test is ``trunc_days=d+1``. Or a duration: no label that
            looks so far ahead reaches the next segment.
        embargo: further sessions, or a duration, left out there; because neighbours depend on each other, say.

    Raises:
        TemplateError: an argument is out of range.
    """

    ROLL_EX = EXPANDING
    ROLL_SD = SLIDING

    def __init__(
        self,
        step: int | str = 40,
        rtype: str = EXPANDING,
        ds_extra_mod_func: Callable[[Task, RollingGen], None] | None = handler_mod,
        test_key: str = TEST,
        train_key: str = TRAIN,
        trunc_days: int | str | None = None,
        task_copy_func: Callable[[Task], Task] = deepcopy,
        calendar: TimeAdjuster | None = None,
        purge: int | str = 0,
        embargo: int | str = 0,
    ) -> None:
        """The defaults are Qlib's, so that a template of its users means the same here."""
        self._step = step_of(step, "rolling.kwargs.step")
        self._purge = distance(purge, "rolling.kwargs.purge", 0)
        self._embargo = distance(embargo, "rolling.kwargs.embargo", 0)
        self._trunc = None if trunc_days is None else distance(trunc_days, "rolling.kwargs.trunc_days", 0)
        self._dated = any(isinstance(one, Duration) for one in (self._step, self._purge, self._embargo, self._trunc))
        for name, value in (("test_key", test_key), ("train_key", train_key)):
            if not isinstance(value, str):
                raise TemplateError(f"{value!r} is no name.", "Name a segment.", f"rolling.kwargs.{name}")
        if str(rtype) not in (EXPANDING, SLIDING):
            raise TemplateError(f"{rtype!r} is unknown.", f"Use {EXPANDING!r} or {SLIDING!r}.", "rolling.kwargs.rtype")
        self.step = step
        self.rtype = rtype
        self.ds_extra_mod_func = ds_extra_mod_func
        self._calendar = None if calendar is None else _check_calendar(type(self).__name__, calendar)
        self.test_key = test_key
        self.train_key = train_key
        self.trunc_days = trunc_days
        self.task_copy_func = task_copy_func
        self.purge = purge
        self.embargo = embargo

    @property
    def ta(self) -> TimeAdjuster:
        """The calendar.

        Raises:
            TemplateError: none was given.
        """
        return _check_calendar(type(self).__name__, self._calendar)

    @property
    def calendar(self) -> TimeAdjuster | None:
        """The calendar that was given, if one was."""
        return self._calendar

    def generate(self, task: Task) -> list[Task]:
        """All windows of a template. Their segments are tuples of Timestamps; an end past the calendar is None.

        Raises:
            SegmentError: segments are missing, no pairs, reversed, overlap, reach into test, or nothing is left of one.
            CalendarError: a segment is outside the calendar.
        """
        written = read_segments(task, self.test_key)
        segments = align_segments(written, self.ta, self.test_key)
        # Before the test segment becomes that of the first window.
        range_end = self._range_end(segments[self.test_key][1])
        if self._dated:
            return list(self._dated_windows(task, segments, written[self.test_key][0], range_end))
        segments[self.test_key] = self._first_test(segments[self.test_key][0])
        window = self._window(task, self._cut(segments))
        return [window, *self.gen_following_tasks(window, range_end)]

    def gen_following_tasks(self, task: Task, test_end: Time) -> list[Task]:
        """The windows after ``task`` whose test start is not after ``test_end``; they stop where the calendar does.

        Args:
            task: a window; it is not among the results.
            test_end: a date; None: the end of the calendar.

        Raises:
            SegmentError: segments are missing, no pairs, or one that starts before test reaches into it.
            CalendarError: a segment ends before the calendar starts, or a bound is no date.
        """
        segments = date_segments(read_segments(task, self.test_key), self.ta)
        refuse_future(segments, self.test_key)
        if self._dated:
            return list(self._dated_windows(task, segments, segments[self.test_key][0], test_end))[1:]
        last = self.ta.align_idx(test_end, "end")
        found: list[Task] = []
        while True:
            try:
                # Each window from the one before, as Qlib does it: a bound that fell into a gap of the calendar moves
                # on from there.
                segments = {name: self._shift(name, bounds, int(self.step)) for name, bounds in segments.items()}
            except SegmentError:  # a segment left the calendar
                return found
            start = self.ta.align_idx(segments[self.test_key][0])
            if start is None or (last is not None and start > last):
                return found
            found.append(self._window(task, segments))

    def _range_end(self, test_end: Time) -> Time:
        """The template's test end, or the last known session if that is open or earlier."""
        return self.ta.last_known if test_end is None or test_end > self.ta.last_known else test_end

    def _first_test(self, test_start: Time) -> Segment:
        first = self.ta.align_idx(test_start) or 0
        return self.ta.get(first), self.ta.get(first + int(self.step) - 1)

    def _cut(self, segments: Segments) -> Segments:
        """A window without what its labels would leak."""
        if self._trunc is not None:
            segments = dict(segments)
            trunc_segments(self.ta, segments, self._trunc, self.test_key)
        if self._purge or self._embargo:
            segments = purge_segments(segments, (self._purge, self._embargo), self.ta, self.test_key)
        refuse_future(segments, self.test_key)
        return segments

    def _dated_windows(self, task: Task, segments: Segments, begin: Time, range_end: Time) -> Iterator[Task]:
        """All windows of a template with durations: each moved from the first as a whole, and cut on its own."""
        cals, last = self.ta.cals, self.ta.align_idx(range_end, "end")
        first = start = self.ta.align_idx(segments[self.test_key][0]) or 0
        while start < len(cals) and (last is None or start <= last):
            following = following_test(self._step, begin, cals, start)
            try:
                moved = {name: self._shift(name, bounds, start - first) for name, bounds in segments.items()}
            except SegmentError:  # a segment left the calendar
                return
            # More sessions of this span may come where none is known that begins the next one.
            is_open = isinstance(self._step, Duration) and following >= len(cals)
            moved[self.test_key] = (cals[start], None if is_open else self.ta.get(following - 1))
            yield self._window(task, self._cut(moved))
            start = following

    def _shift(self, name: str, bounds: Segment, sessions: int) -> Segment:
        return self.ta.shift(bounds, sessions, self.rtype if name == self.train_key else SLIDING)

    def _window(self, task: Task, segments: Segments) -> Task:
        window = self.task_copy_func(task)
        set_segments(window, segments)
        if self.train_key in segments:
            roll_fit_dates(window, segments[self.train_key])
        # Last, so that the user's function sees the window as it will be, and has the last word.
        if self.ds_extra_mod_func is not None:
            self.ds_extra_mod_func(window, self)
        return window


class MultiHorizonGenBase(TaskGen):
    """Makes one task per horizon of the label, each cut so that its label does not look into the test segment.

    A label of horizon h that starts n sessions after the prediction uses prices up to h + n sessions later: so many are
    cut off before the test start (Qlib's ``MultiHorizonGenBase``).

    Args:
        horizon: sessions that the label looks ahead, one task each.
        label_leak_n: further sessions between the prediction and the first price of the label.
        calendar: the sessions; None: those that ``rollq.init`` found.
        test_key: the name of the test segment.

    Raises:
        TemplateError: an argument is out of range.
    """

    def __init__(
        self,
        horizon: Sequence[int] = (5,),
        label_leak_n: int = 2,
        calendar: TimeAdjuster | None = None,
        test_key: str = TEST,
    ) -> None:
        """Horizons are checked when the generator is made, before the template is copied for each of them."""
        if not isinstance(horizon, Iterable):
            raise TemplateError(f"{horizon!r} is not a list.", "Write it as [1, 5].", "horizon")
        self.horizon = list(horizon)
        for hr in self.horizon:
            _check_count("horizon", hr, 0)
        _check_count("label_leak_n", label_leak_n, 0)
        self.label_leak_n = label_leak_n
        self.ta = _check_calendar(type(self).__name__, calendar)
        self.test_key = test_key

    @abstractmethod
    def set_horizon(self, task: Task, hr: int) -> None:
        """Change ``task`` in place so that its label looks ``hr`` sessions ahead."""

    def generate(self, task: Task) -> list[Task]:
        """One task per horizon: ``set_horizon``, then every other segment cut before the test start.

        Raises:
            SegmentError: segments are missing, no pairs, or nothing is left of one.
            CalendarError: a segment is outside the calendar.
        """
        read_segments(task, self.test_key)  # before the code of a subclass sees it
        found = []
        for hr in self.horizon:
            made = deepcopy(task)
            self.set_horizon(made, hr)
            segments = read_segments(made, self.test_key)
            for name, bounds in segments.items():
                with named(name):
                    segments[name] = self.ta.align_seg(bounds)
            trunc_segments(self.ta, segments, hr + self.label_leak_n, self.test_key)
            set_segments(made, segments)
            found.append(made)
        return found


def _check_count(key: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise TemplateError(f"{value!r} is not possible.", f"Use a whole number of at least {least}.", key)


def _check_calendar(name: str, calendar: TimeAdjuster | None) -> TimeAdjuster:
    found = default_calendar() if calendar is None else calendar
    if not isinstance(found, TimeAdjuster):
        fix = "Pass calendar=TimeAdjuster(sessions), or name the prices in rollq.init(provider_uri=...)."
        raise TemplateError(f"{name} needs a calendar.", fix, "calendar")
    return found
