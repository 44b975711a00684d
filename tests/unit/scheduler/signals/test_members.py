"""The signals of models that serve together, on frames made up: averaged, by horizon, or each with its own rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rollq.scheduler.rounds.verdict import expected
from rollq.scheduler.signals.coverage import WindowPrediction, join_windows
from rollq.scheduler.signals.members import Member, joined_members
from rollq.tasks.errors import CoverageError
from rollq.tasks.rolling.members.role import Role

DAYS = [f"2024-01-{day:02d}" for day in range(1, 9)]
A, B = Role("zone=A"), Role("zone=B")


def frame(days: list[str], names: str, score: float = 1.0) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([pd.DatetimeIndex(days), list(names)], names=["datetime", "instrument"])
    return pd.DataFrame({"score": score}, index=index)


def window(role: Role, first: int, last: int, names: str, rows: list[str] | None = None) -> WindowPrediction:
    """The window of sessions ``first`` to ``last``; ``rows``: the sessions on which there are any."""
    found = frame(DAYS[first : last + 1] if rows is None else rows, names)
    return WindowPrediction((DAYS[first], DAYS[last]), found, found.index, role.name, role)


def test_each_model_predicts_its_own_rows_and_all_of_them_cover_the_sessions() -> None:
    windows = [window(A, 0, 3, "ab"), window(A, 4, 7, "ab"), window(B, 4, 7, "c", DAYS[5:7])]
    joined = join_windows(windows, DAYS)
    assert len(joined) == 2 * 8 + 2
    assert list(joined.columns) == ["score"]


def test_a_session_without_any_window_is_a_hole() -> None:
    with pytest.raises(CoverageError, match=f"No window predicts {DAYS[4]}"):
        join_windows([window(A, 0, 3, "ab"), window(B, 0, 3, "c")], DAYS[:5])


def test_a_row_that_a_model_leaves_out_is_a_hole() -> None:
    one = window(B, 0, 3, "cd")
    left_out = WindowPrediction(one.test, one.frame.iloc[1:], one.expected, one.member, one.role)
    with pytest.raises(CoverageError, match=f"no score for 1 rows: {DAYS[0]} c"):
        join_windows([window(A, 0, 3, "ab"), left_out], DAYS[:4])


def test_a_row_that_two_models_predict_is_refused() -> None:
    with pytest.raises(CoverageError, match="zone=A and zone=B both predict"):
        join_windows([window(A, 0, 3, "ab"), window(B, 0, 3, "bc")], DAYS[:4])


def test_a_session_in_two_windows_of_a_model_is_refused() -> None:
    with pytest.raises(CoverageError, match=f"More than one window predicts {DAYS[3]}"):
        join_windows([window(A, 0, 3, "a"), window(A, 3, 7, "a"), window(B, 0, 7, "b")], DAYS)


def test_the_first_horizon_is_the_score_whatever_its_length() -> None:
    roles = [Role("", "20", 0), Role("", "1", 1)]
    joined = joined_members(
        {Member(role.name, role): frame(DAYS, "ab", float(role.horizon)) for role in reversed(roles)}
    )
    assert list(joined.columns) == ["score", "horizon=20", "horizon=1"]
    assert (joined["score"] == 20).all()


def test_days_of_before_there_were_horizons_keep_their_score() -> None:
    later = {Member(f"horizon={h}", Role("", str(h), place)): frame(DAYS[4:], "a", h) for place, h in enumerate((5, 1))}
    joined = joined_members({Member(""): frame(DAYS[:4], "a", 7), **later})
    assert joined["score"].tolist() == [7] * 4 + [5] * 4
    assert joined["horizon=1"].isna().sum() == 4


def test_models_without_a_role_are_averaged_as_ever() -> None:
    joined = joined_members({Member("one"): frame(DAYS, "ab"), Member("two"): frame(DAYS, "ab")})
    assert list(joined.columns) == ["score", "one", "two"]


def test_a_failed_window_takes_its_own_rows_with_it() -> None:
    def task(role: Role, first: int, last: int, ident: str) -> Any:
        segments = {"test": [DAYS[first], DAYS[last]]}
        definition = {"dataset": {"kwargs": {"segments": segments}}, "role": role.to_dict()}
        return type("Task", (), {"id": ident, "definition": definition})()

    tasks = [task(A, 0, 3, "1"), task(B, 0, 3, "2"), task(A, 4, 7, "3")]
    sessions, gaps = expected(DAYS, tasks, [tasks[0], tasks[2]])
    assert (sessions, gaps) == (DAYS, [f"{day} zone=B" for day in DAYS[:4]])
    sessions, gaps = expected(DAYS, tasks, tasks[:2])
    assert (sessions, gaps) == (DAYS[:4], DAYS[4:])
