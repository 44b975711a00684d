"""The coverage contract: the windows' predictions, joined into signals, cover every test session exactly once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rollq.scheduler.collect.ensembles import RollingEnsemble
from rollq.scheduler.signals.members import Member, joined_members
from rollq.tasks.errors import CoverageError
from rollq.tasks.predictions.row_times import time_texts
from rollq.tasks.predictions.session_days import on_sessions, sessions_in
from rollq.tasks.rolling.members.role import ALONE, Role

Bounds = tuple[str, str | None]
MISSING = "Train the missing windows: `rollq tasks retry`."


@dataclass(frozen=True)
class WindowPrediction:
    """The predictions of one window: a frame with the column ``score``, indexed (datetime, instrument).

    ``expected`` is the index that they must have: every instrument that the data has on each day; None: not known.
    ``member`` names the model, where several serve together, and ``role`` says what it has to say among them.
    """

    test: Bounds
    frame: pd.DataFrame
    expected: pd.MultiIndex | None = None
    member: str = ""
    role: Role = ALONE


def join_windows(windows: Sequence[WindowPrediction], sessions: Sequence[str]) -> pd.DataFrame:
    """Join windows into signals: those of one model one after the other, and the models that serve together as
    ``joined_members``.

    Args:
        windows: in any order.
        sessions: the sessions that the windows of each model must cover, as ``YYYY-MM-DD``; those of models that have
            rows of their own must cover them together, and each of them the rows that it has in its windows.

    Returns:
        A frame with the column ``score``, unique and sorted by (datetime, instrument); as ``joined_members``.

    Raises:
        CoverageError: as ``check_windows``.
    """
    found: dict[Member, pd.DataFrame] = {}
    members = sorted({Member(window.member, window.role) for window in windows}, key=lambda one: one.name)
    for member in members or [Member("")]:
        own = [window for window in windows if window.member == member.name]
        if len(members) > 1:
            own = [_without_gaps(window, sessions) for window in own]
        check_windows(own, own_sessions(own, sessions) if member.role.group else sessions)
        found[member] = RollingEnsemble()({window.test[0]: window.frame for window in own}).sort_index()
    check_tests([(window.test, Member(window.member, window.role)) for window in windows], sessions)
    return joined_members(found)


def own_sessions(windows: Sequence[WindowPrediction], sessions: Sequence[str]) -> list[str]:
    """The sessions on which a model that predicts some rows alone has any, in its windows."""
    days: set[str] = set()
    for window in windows:
        index = window.frame.index if window.expected is None else window.expected
        days |= set(sessions_in(index))
    return [day for day in sessions if day in days]


def check_tests(tests: Sequence[tuple[Bounds, Member]], sessions: Sequence[str]) -> None:
    """Every session lies in the test segment of exactly one window of each model; of models that have rows of their
    own, of one at most, and for each horizon in that of some model.

    Raises:
        CoverageError: it names the sessions that are missing or doubled.
    """
    for member in {member for _, member in tests}:
        own = [test for test, of in tests if of == member]
        check_segments(own, [day for day in sessions if not member.role.group or _is_in(own, day)])
    for horizon in {member.role.horizon for _, member in tests if member.role.group}:
        own = [test for test, member in tests if member.role.horizon == horizon]
        if missing := [day for day in sessions if not _is_in(own, day)]:
            raise CoverageError(f"No window predicts {shown(missing)}.", MISSING)


def _without_gaps(window: WindowPrediction, sessions: Sequence[str]) -> WindowPrediction:
    """A window without the sessions that another model, whose window has failed, leaves out."""
    known = set(sessions)

    def own(index: pd.MultiIndex) -> np.ndarray:
        # What lies outside is an error of its own.
        left_out = [day for day in sessions_in(index) if _contains(window.test, day) and day not in known]
        return ~on_sessions(index, left_out)

    expected = None if window.expected is None else window.expected[own(window.expected)]
    return replace(window, frame=window.frame[own(window.frame.index)], expected=expected)


def check_windows(windows: Sequence[WindowPrediction], sessions: Sequence[str]) -> None:
    """Every session, and every instrument that the data has on it, is predicted by exactly one window.

    Raises:
        CoverageError: a session is covered by no window or by two; a window predicts outside its test segment, leaves
            an instrument out, scores it NaN, or names it twice at one time.
    """
    if not windows:
        raise CoverageError("There is no prediction to join.", "Look at the tasks of the round: `rollq tasks list`.")
    check_segments([window.test for window in windows], sessions)
    for window in windows:
        _check_window(window, sessions)


def check_segments(tests: Sequence[Bounds], sessions: Sequence[str]) -> None:
    """Every session lies in the test segment of exactly one window.

    Raises:
        CoverageError: it names the sessions that are missing or doubled.
    """
    missing, doubled = [], []
    for session in sessions:
        count = sum(_contains(test, session) for test in tests)
        if count == 0:
            missing.append(session)
        elif count > 1:
            doubled.append(session)
    if missing:
        raise CoverageError(f"No window predicts {shown(missing)}.", MISSING)
    if doubled:
        raise CoverageError(
            f"More than one window predicts {shown(doubled)}.", "Use a step as long as the test segment."
        )


def _check_window(window: WindowPrediction, sessions: Sequence[str]) -> None:
    """Refuse a window that does not predict just its own sessions, or lacks instruments of its data."""
    start, end = window.test
    name = f"The window of {start} to {end or 'the last session'}"
    if not window.frame.index.is_unique:
        raise CoverageError(f"{name} predicts an instrument twice at one time.", "The dataset must be unique.")
    predicted = set(sessions_in(window.frame))
    expected = {session for session in sessions if _contains(window.test, session)}
    if missing := sorted(expected - predicted):
        raise CoverageError(f"{name} has no prediction for {shown(missing)}.", "Look at the data of these sessions.")
    if outside := sorted(predicted - expected):
        raise CoverageError(f"{name} predicts sessions that are not its own: {shown(outside)}.", "Check the dataset.")
    if holes := holes_in(window.frame, window.expected):
        raise CoverageError(
            f"{name} has no score for {len(holes)} rows: {shown(holes)}.", "Look at the data of these sessions."
        )


def holes_in(frame: pd.DataFrame, expected: pd.MultiIndex | None) -> list[str]:
    """Rows without a score, as ``YYYY-MM-DD instrument`` or with their time: left out of ``frame``, or not finite."""
    scored = frame.index[is_scored(frame)]
    # With the frame's own rows, too: a row that is there without a score is a hole, even where it was not expected.
    wanted = frame.index if expected is None or not len(expected) else expected.union(frame.index)
    holes = wanted.difference(scored)
    if not len(holes):
        return []
    # By all rows and not by the holes: midnight of a table with hours is an hour, and not a day.
    times = wanted.levels[0]
    texts = dict(zip(times, time_texts(pd.DatetimeIndex(times)), strict=True))
    return [f"{texts[time]} {instrument}" for time, instrument in holes]


def is_scored(frame: pd.DataFrame) -> pd.Series:
    """Which rows have a score: a finite number."""
    return frame["score"].abs() < math.inf


def _is_in(tests: Sequence[Bounds], session: str) -> bool:
    return any(_contains(test, session) for test in tests)


def _contains(test: Bounds, session: str) -> bool:
    return test[0] <= session and (test[1] is None or session <= test[1])


def shown(sessions: Sequence[str], most: int = 3) -> str:
    """Some of ``sessions``, and how many more."""
    more = f" and {len(sessions) - most} more" if len(sessions) > most else ""
    return ", ".join(sessions[:most]) + more
