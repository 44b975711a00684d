"""How far expressions look, in sessions: never less than any row looks, and the same after clocks have changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.tasks.predictions.session_days import session_days
from rollq.workers.datasets.table.reach import Reach
from rollq.workers.expressions.evaluation import evaluate
from rollq.workers.expressions.expression import LABEL, parse
from rollq.workers.expressions.grid import Grid

COLUMNS = {"x": "number"}


def hours(start: str, count: int, zone: str | None = "Europe/Berlin") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="h", tz=zone)


@pytest.mark.parametrize(
    ("times", "text", "sessions"),
    [
        (pd.bdate_range("2020-01-01", periods=60), "mean(lag(x, 5), 20)", 24),
        (pd.bdate_range("2020-01-01", periods=60), "lag(x, 7d)", 5),
        (pd.date_range("2020-01-03", periods=60, freq="W-FRI"), "lag(x, 4)", 4),
        (pd.date_range("2020-01-03", periods=60, freq="W-FRI"), "lag(x, 2w)", 2),
        (pd.date_range("2010-01-01", periods=60, freq="MS"), "lag(x, 12)", 12),
        (hours("2021-06-01", 24 * 20, None), "lag(x, 24)", 1),
        (hours("2021-06-01", 24 * 20, None), "lag(x, 24h)", 1),
        (hours("2021-06-01", 24 * 20, "UTC"), "lag(x, 168)", 7),
        (hours("2021-06-01", 24 * 20), "lag(x, 7d)", 7),
        (hours("2021-06-01", 24 * 20), "lag(x, 168)", 8),  # on the Monday after clocks go forward, it is
        (hours("2021-06-01", 24 * 20), "x", 0),
    ],
)
def test_look_back_in_sessions(times: pd.DatetimeIndex, text: str, sessions: int) -> None:
    assert Reach(times).lookback([parse(text, columns=COLUMNS, lead=None)]) == sessions


def test_it_is_the_same_before_and_after_clocks_change() -> None:
    for text in ("lag(x, 24)", "lag(x, 24h)", "mean(x, 168)", "lag(x, 1d)", "std(x, 48h)"):
        one = parse(text, columns=COLUMNS, lead=None)
        before, after = (Reach(hours("2021-01-05", 24 * days)).lookback([one]) for days in (60, 120))
        assert before == after, text


TEXTS = ["lag(x, {n})", "mean(x, {n})", "lag(x, {n}h)", "mean(x, {n}h)", "lag(x, {n}d)", "lag(mean(x, {n}h), {n})"]


@settings(deadline=None, max_examples=60)
@given(
    text=st.sampled_from(TEXTS),
    n=st.integers(1, 60),
    gaps=st.lists(st.integers(0, 24 * 25 - 1), max_size=60),
    ahead=st.booleans(),
)
def test_no_row_looks_further_than_is_said(text: str, n: int, gaps: list[int], ahead: bool) -> None:
    """What lies further away is changed, and nothing of a row changes."""
    times = hours("2021-03-20", 24 * 25).delete(gaps)
    text = text.format(n=n)
    one = parse(f"lead(x, {n})" if ahead else text, columns=COLUMNS, lead=LABEL)
    reach = Reach(times).lookahead([one]) if ahead else Reach(times).lookback([one])
    days = session_days(times)
    place = np.cumsum(~days.duplicated()) - 1
    values = np.random.default_rng(n).normal(size=(len(times), 1))
    for row in (len(times) // 3, len(times) // 2):
        changed = values.copy()
        far = place > place[row] + reach if ahead else place < place[row] - reach
        changed[far] += 1
        found = [
            next(evaluate({"": one}, Grid(times, pd.Index(["a"]), {"x": each})))[1][row, 0]
            for each in (values, changed)
        ]
        np.testing.assert_array_equal(*found)
