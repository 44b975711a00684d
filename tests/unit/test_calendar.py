"""TimeAdjuster against the reference's cases."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rollq import CalendarError, TimeAdjuster
from tests.golden_cases import adjuster, cases, plain

# The reference answers with a session of the future here, by a negative index that wraps around: rollq refuses.
WRAPS = {'time_adjuster:74:shift:[["2020-01-02", "2020-01-10"], -5]'}
# Made with a calendar that ends earlier than the one that the case names.
OTHER_CALENDAR = {"time_adjuster:20:max:[]": TimeAdjuster(["2020-01-14", "2020-01-15"])}


@pytest.mark.parametrize("case", cases("time_adjuster"))
def test_reference(case: dict[str, Any]) -> None:
    calendar = OTHER_CALENDAR.get(case["id"]) or adjuster(case["calendar"], case["future"])
    method = getattr(calendar, case["method"])
    if case["reference_defect"] or case["id"] in WRAPS:
        with pytest.raises(CalendarError) as raised:
            method(*case["args"], **case["kwargs"])
        assert raised.value.fix
        return
    assert plain(method(*case["args"], **case["kwargs"])) == case["output"]


def test_sessions_may_come_in_any_order() -> None:
    calendar = TimeAdjuster(["2020-01-03", "2020-01-01", "2020-01-02", "2020-01-02"])
    assert calendar.get(0) == pd.Timestamp("2020-01-01")
    assert calendar.max() == pd.Timestamp("2020-01-03")


@pytest.mark.parametrize("sessions", [[], ["not a date"], [None]])
def test_bad_sessions_are_refused(sessions: list[Any]) -> None:
    with pytest.raises(CalendarError):
        TimeAdjuster(sessions)
