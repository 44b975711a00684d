"""Task generators: one template in, many rolling tasks out.

The semantics are those of Qlib's task generators; docs/reference/differences.md lists where rollq differs and why.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

from tasks.calendar import EXPANDING, SLIDING, TimeAdjuster
from tasks.errors import CalendarError, SegmentError, TemplateError

Task = dict[str, Any]
SEGMENTS = "dataset.kwargs.segments"


class TaskGen(ABC):
    """Makes tasks from a template."""

    @abstractmethod
    def generate(self, task: Task) -> list[Task]:
        """The tasks of one template, which stays as it is."""

    def __call__(self, task: Task) -> list[Task]:
        """The same as ``generate``."""
        return self.generate(task)


def task_generator(tasks: Task | Sequence[Task], generators: TaskGen | Sequence[TaskGen]) -> list[Task]:
    """Apply generators one after the other to templates: all tasks of the first template, then of the second."""
    found: list[Task] = [tasks] if isinstance(tasks, dict) else list(tasks)
    for generator in [generators] if isinstance(generators, TaskGen) else generators:
        found = [made for task in found for made in generator.generate(task)]
    return found


def handler_mod(task: Task, generator: RollingGen) -> None:
    """Let a dataset's handler follow the window: its ``end_time`` reaches the test end, its fit dates are the train's.

    The reference never moves the fit dates, so its processors are fitted on one range for all windows.
    """
    kwargs = task["dataset"]["kwargs"]
    handler = (kwargs.get("handler") or {}) if isinstance(kwargs.get("handler"), dict) else {}
    options = handler.get("kwargs")
    if not isinstance(options, dict):
        return
    test_end = kwargs["segments"][generator.test_key][1]
    known_end = options.get("end_time")
    if known_end is not None and test_end is not None and generator.ta.cal_interval(known_end, test_end) < 0:
        options["end_time"] = test_end
    train = kwargs["segments"].get(generator.train_key)
    if train is not None:
        for name, bound in zip(("fit_start_time", "fit_end_time"), train, strict=True):
            if name in options:
                options[name] = bound


class RollingGen(TaskGen):
    """Cuts a template into rolling windows.

    Args:
        step: sessions from one window to the next, and length of a test segment.
        rtype: ``ROLL_EX`` (the train segment keeps its start) or ``ROLL_SD`` (it slides).
        ds_extra_mod_func: called with (task, this generator) after the segments of a task were set; None: nothing.
        trunc_days: segments other than test end at least so many sessions before the test start.
        task_copy_func: how a task is copied.
        calendar: the sessions.
        purge: sessions left out between a segment's end and the next segment other than test, so that labels of train
            do not look into valid.

    Raises:
        TemplateError: an argument is out of range.
    """

    ROLL_EX = EXPANDING
    ROLL_SD = SLIDING

    def __init__(
        self,
        step: int = 40,
        rtype: str = EXPANDING,
        ds_extra_mod_func: Callable[[Task, RollingGen], None] | None = handler_mod,
        test_key: str = "test",
        train_key: str = "train",
        trunc_days: int | None = None,
        task_copy_func: Callable[[Task], Task] = deepcopy,
        calendar: TimeAdjuster | None = None,
        purge: int = 0,
    ) -> None:
        _check_count("step", step, 1)
        _check_count("purge", purge, 0)
        if trunc_days is not None:
            _check_count("trunc_days", trunc_days, 0)
        if rtype not in (EXPANDING, SLIDING):
            raise TemplateError(f"{rtype!r} is unknown.", f"Use {EXPANDING!r} or {SLIDING!r}.", "rolling.kwargs.rtype")
        if calendar is None:
            raise TemplateError("RollingGen needs a calendar.", "Pass calendar=TimeAdjuster(sessions).", "calendar")
        self.step = step
        self.rtype = rtype
        self.ds_extra_mod_func = ds_extra_mod_func
        self.ta = calendar
        self.test_key = test_key
        self.train_key = train_key
        self.trunc_days = trunc_days
        self.task_copy_func = task_copy_func
        self.purge = purge

    def generate(self, task: Task) -> list[Task]:
        """All windows of a template.

        Raises:
            SegmentError: segments are missing, not pairs, or nothing is left of one.
            CalendarError: a segment is outside the calendar.
        """
        segments = self._aligned(task)
        test_end = self._range_end(segments[self.test_key][1])
        first = self.ta.align_idx(segments[self.test_key][0])
        if first is None:
            raise SegmentError(f"{SEGMENTS}.{self.test_key}: it has no start.", "Write its start.")
        segments[self.test_key] = (self.ta.get(first), self.ta.get(first + self.step - 1))
        self._truncate(segments)
        self._purge(segments)
        window = self._window(task, segments)
        return [window, *self.gen_following_tasks(window, test_end)]

    def gen_following_tasks(self, task: Task, test_end: Any) -> list[Task]:
        """The windows after ``task`` whose test start is not after ``test_end``; they stop where the calendar does."""
        end = self.ta.align_idx(test_end, "end")
        segments = _segments(task)
        found: list[Task] = []
        while True:
            segments = {name: self._shift(name, bounds) for name, bounds in segments.items() if bounds is not None}
            start = segments[self.test_key][0]
            position = self.ta.align_idx(start)
            if position is None or (end is not None and position > end):
                return found
            found.append(self._window(task, segments))

    def _shift(self, name: str, bounds: Any) -> Any:
        rtype = EXPANDING if name == self.train_key and self.rtype == EXPANDING else SLIDING
        try:
            return self.ta.shift(bounds, self.step, rtype)
        except SegmentError:
            return None, None  # past the calendar: there is no such window

    def _aligned(self, task: Task) -> dict[str, Any]:
        segments = _segments(task)
        if self.test_key not in segments:
            raise SegmentError(f"{SEGMENTS}: there is no segment {self.test_key!r}.", "Add it.")
        aligned = {}
        for name, bounds in segments.items():
            try:
                aligned[name] = self.ta.align_seg(bounds)
            except CalendarError as error:
                raise type(error)(f"{SEGMENTS}.{name}: {error.message}", error.fix) from None
        return aligned

    def _range_end(self, test_end: Any) -> Any:
        """The template's test end, or the last known session if that is open or earlier."""
        return self.ta.last_known if test_end is None or test_end > self.ta.last_known else test_end

    def _truncate(self, segments: dict[str, Any]) -> None:
        if self.trunc_days is None:
            return
        test_start = segments[self.test_key][0]
        for name in segments:
            if name != self.test_key:
                try:
                    segments[name] = self.ta.truncate(segments[name], test_start, self.trunc_days)
                except SegmentError as error:
                    raise SegmentError(f"{SEGMENTS}.{name}: {error.message}", error.fix) from None

    def _purge(self, segments: dict[str, Any]) -> None:
        if not self.purge:
            return
        others = sorted((bounds[0], name) for name, bounds in segments.items() if name != self.test_key and bounds[0])
        for (start, name), (following, _) in pairwise(others):
            limit = self.ta.align_idx(following) - 1 - self.purge  # type: ignore[operator]
            first, last = self.ta.align_idx(start), self.ta.align_idx(segments[name][1], "end")
            if first is None or last is None or limit < first:
                raise SegmentError(f"{SEGMENTS}.{name}: nothing is left after purging.", "Purge fewer sessions.")
            segments[name] = (start, self.ta.get(min(last, limit)))

    def _window(self, task: Task, segments: dict[str, Any]) -> Task:
        window = self.task_copy_func(task)
        window["dataset"]["kwargs"]["segments"] = deepcopy(segments)
        if self.ds_extra_mod_func is not None:
            self.ds_extra_mod_func(window, self)
        return window


class MultiHorizonGenBase(TaskGen):
    """Makes one task per horizon of the label, each cut so that its label does not look into the test segment.

    Args:
        horizon: sessions that the label looks ahead, one task each.
        label_leak_n: further sessions between the prediction and the first price of the label.
    """

    def __init__(
        self,
        horizon: Sequence[int] = (5,),
        label_leak_n: int = 2,
        calendar: TimeAdjuster | None = None,
        test_key: str = "test",
    ) -> None:
        if calendar is None:
            raise TemplateError("A generator needs a calendar.", "Pass calendar=TimeAdjuster(sessions).", "calendar")
        self.horizon = list(horizon)
        self.label_leak_n = label_leak_n
        self.ta = calendar
        self.test_key = test_key

    @abstractmethod
    def set_horizon(self, task: Task, hr: int) -> None:
        """Change ``task`` in place so that its label looks ``hr`` sessions ahead."""

    def generate(self, task: Task) -> list[Task]:
        """One task per horizon.

        Raises:
            SegmentError, CalendarError: as ``RollingGen.generate``.
        """
        found = []
        for hr in self.horizon:
            made = deepcopy(task)
            segments = self.ta.align_seg(_segments(made))
            test_start = segments[self.test_key][0]
            for name in segments:
                if name != self.test_key:
                    segments[name] = self.ta.truncate(segments[name], test_start, hr + self.label_leak_n)
            made["dataset"]["kwargs"]["segments"] = segments
            self.set_horizon(made, hr)
            found.append(made)
        return found


def _segments(task: Mapping[str, Any]) -> dict[str, Any]:
    try:
        segments = task["dataset"]["kwargs"]["segments"]
    except (KeyError, TypeError):
        raise SegmentError(f"{SEGMENTS} is missing.", "Write train, valid and test under it.") from None
    if not isinstance(segments, Mapping):
        raise SegmentError(f"{SEGMENTS} must be a mapping.", "Write train: [start, end] and so on.")
    return dict(segments)


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise TemplateError(
            f"{value!r} is not possible.", f"Use a whole number of at least {least}.", f"rolling.kwargs.{name}"
        )
