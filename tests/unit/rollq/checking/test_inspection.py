"""What a look comes to: good, bad, not made, or to be looked at; and what is said of all of them."""

from __future__ import annotations

import pytest

from rollq.checking.inspection import LookAt, NotMade, Wrong, look
from rollq.cli.check import _summary
from rollq.health.check import Check


def raising(error: Exception) -> Check:
    def fail() -> str:
        raise error

    return look("future", fail)


GOOD = look("rows", lambda: "9 rows")
BAD, UNKNOWN, ODD = raising(Wrong("no", "Do.")), raising(NotMade("no files")), raising(LookAt("much", "See."))


def test_a_remark_is_no_error_and_not_good() -> None:
    assert [one.ok for one in (GOOD, BAD, UNKNOWN, ODD)] == [True, False, True, True]
    assert [one.good for one in (GOOD, BAD, UNKNOWN, ODD)] == [True, False, False, False]
    assert UNKNOWN.to_dict() == {"name": "future", "ok": True, "detail": "no files", "fix": "", "remark": "not made"}
    assert "remark" not in GOOD.to_dict()


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([GOOD, GOOD], "All 2 checks are good."),
        ([GOOD, BAD, UNKNOWN], "1 of 3 checks failed."),
        ([GOOD, UNKNOWN], "1 of 2 checks are good; 1 could not be made."),
        ([GOOD, UNKNOWN, ODD], "1 of 3 checks are good; 1 could not be made, look at 1 more."),
    ],
)
def test_the_last_line_counts_what_is_not_good(checks: list[Check], said: str) -> None:
    assert _summary(checks) == said
