"""A dataset's handler follows its window: how far it loads data, and what its processors are fitted on.

A handler is optional: ``dataset.kwargs.handler`` may be missing or be the name of a file; then nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollq.tasks.definition import END_TIME, FIT_DATES, Definition, handler_kwargs
from rollq.tasks.rolling.calendar import Segment, Time, TimeAdjuster


def extend_end_time(task: Definition, test_end: Time, calendar: TimeAdjuster) -> None:
    """Move the handler's ``end_time`` to the test end if it is earlier; where the test end is open, it is, too."""
    options = handler_kwargs(task)
    end_time = options.get(END_TIME)
    if end_time is not None and (test_end is None or calendar.cal_interval(end_time, test_end) < 0):
        options[END_TIME] = test_end


def roll_fit_dates(task: Definition, train: Segment) -> None:
    """Set every ``fit_start_time`` and ``fit_end_time`` that the handler or its processors have to the train segment.

    Dates that are present but null count as present: null means "fit on everything", which is the future too.
    """
    for options in _mappings(handler_kwargs(task)):
        for name, bound in zip(FIT_DATES, train, strict=True):
            if name in options:
                options[name] = bound


def _mappings(value: object) -> Iterator[dict[str, object]]:
    """Every dict within ``value``, itself included."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _mappings(item)
