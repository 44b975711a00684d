"""How far apart the segments of a window must lie, so that no label looks into the next one."""

from __future__ import annotations

import inspect
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from rollq.tasks.components.registry import resolve
from rollq.tasks.definition import ROLLING, TEST, Component, Definition, kwargs_of, segments_of_window, with_kwargs
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.duration import Distance, Duration, distance

TRUNC, PURGE = "trunc_days", "purge"
KEY = "rolling.kwargs"


def with_cuts(rolling: Component, lookahead: int, components: tuple[str, ...]) -> Component:
    """What rolls, with the cuts that a label needs and that are not written.

    A template that says ``trunc_days`` and no ``purge`` leaves nothing out between train and valid, as before there
    were defaults: its windows stay what they are.

    Args:
        lookahead: sessions that the label looks ahead.
        components: further registered classes (the setting ``components``).
    """
    kwargs = kwargs_of(rolling)
    takes = inspect.signature(resolve(rolling, ROLLING, components)).parameters
    if not lookahead or TRUNC not in takes or kwargs.get(TRUNC) is not None:
        return rolling
    # ``trunc_days`` counts from session to session, ``purge`` what lies between.
    needed = {TRUNC: lookahead + 1, **({PURGE: lookahead} if PURGE in takes else {})}
    return with_kwargs(rolling, {**needed, **{name: value for name, value in kwargs.items() if name != TRUNC}})


def check_cuts(rolling: Component, lookahead: int, ahead: int = 0) -> None:
    """Refuse a written number that is too small. How many sessions a duration is, is known once windows are cut.

    Args:
        lookahead: sessions that the label looks ahead.
        ahead: sessions after today with which a test segment may begin: the last labels are not known by then.

    Raises:
        TemplateError: it is; it says how many are needed.
    """
    for name in (TRUNC, PURGE):
        found = _written(kwargs_of(rolling), name)
        if isinstance(found, int) and found < lookahead + (name == TRUNC) * (1 + ahead):
            raise _leaks(name, lookahead, ahead)


def check_windows(
    windows: Iterable[Definition], sessions: Sequence[str], rolling: Component, lookahead: int, ahead: int = 0
) -> None:
    """As ``check_cuts``, of windows that durations have cut.

    Args:
        sessions: all of them, sorted.
    """
    kwargs = kwargs_of(rolling)
    dated = {name for name in (TRUNC, PURGE) if isinstance(_written(kwargs, name), Duration)}
    for window in windows if dated else ():
        segments = segments_of_window(window)
        spans = sorted((str(start)[:10], str(end)[:10], name) for name, (start, end) in segments.items())
        for (_, end, _), (following, _, name) in pairwise(spans):
            between = bisect_left(sessions, following) - bisect_right(sessions, end)
            cut = TRUNC if name == TEST else PURGE
            needed = lookahead + (ahead if cut == TRUNC else 0)
            if between < needed and (cut in dated or PURGE in dated):
                raise _leaks(cut, lookahead, ahead)
            if name == TEST:
                break


def _written(kwargs: Mapping[str, object], name: str) -> Distance | None:
    """What a template says of a cut; None: nothing."""
    value = kwargs.get(name)
    return None if value is None else distance(value, f"{KEY}.{name}", 0)


def _leaks(name: str, lookahead: int, ahead: int = 0) -> TemplateError:
    """The error of a cut that is too small, with the number that is needed."""
    if name == TRUNC:
        where, needed = "past the end of train and valid into the test segment", lookahead + 1 + ahead
        if ahead:
            where += f", which may begin {ahead} sessions after the last known label"
    else:
        where, needed = "from each segment into the next one", lookahead
    return TemplateError(
        f"the label looks {lookahead} sessions ahead, {where}.",
        f"Set {KEY}.{name} to {needed} or more, or to a longer duration; or leave it out.",
        f"{KEY}.{name}",
    )
