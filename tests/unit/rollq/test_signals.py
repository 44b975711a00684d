"""The highest scores of a session: of dates one list, of hours one for each."""

from __future__ import annotations

import pandas as pd
import pytest

from rollq import NotFound
from rollq.signals import best


def signals(times: pd.DatetimeIndex) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([times, ["a", "b", "c"]], names=["datetime", "instrument"])
    return pd.DataFrame({"score": [float(7 * place % 10) for place in range(len(index))]}, index)


HOURS = signals(pd.date_range("2024-10-26 22:00", periods=9, freq="h", tz="UTC").tz_convert("Europe/Berlin"))


def test_dates_have_one_list_a_session() -> None:
    made = signals(pd.DatetimeIndex(["2024-01-02", "2024-01-03"]))
    day, found = best(made, None, 2)
    assert (day, list(found.columns)) == ("2024-01-03", ["instrument", "score"])
    assert found.to_numpy().tolist() == [["b", 8.0], ["c", 5.0]]
    assert best(made, "2024-01-02", 9)[1]["instrument"].tolist() == ["b", "c", "a"]
    for nothing in ("2024-01-04", "2024-01", "2024-01-02T05"):
        with pytest.raises(NotFound, match="from 2024-01-02 to 2024-01-03"):
            best(made, nothing, 1)


def test_hours_have_one_each_and_one_of_them_may_be_named() -> None:
    day, found = best(HOURS, None, 1)
    assert day == "2024-10-27"
    assert len(found) == 9
    assert found["time"].tolist()[2:4] == ["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"]
    assert found["time"].is_monotonic_increasing is not None
    assert len(best(HOURS, "2024-10-27 02", 1)[1]) == 2
    assert len(best(HOURS, "2024-10-27T02:00:00+01:00", 3)[1]) == 3
