"""When a date is done: where sessions ahead are meant, that of the date was done before it came."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from rollq.scheduler.routine.ledger import Done
from rollq.scheduler.routine.timetable import is_done


def routines(*finished: tuple[str, datetime | None]) -> Any:
    history = [SimpleNamespace(session=session, finished_at=at) for session, at in finished]
    done = Done(frozenset(session for session, at in finished if at))
    return SimpleNamespace(done=lambda name: done, history=lambda name: history)


def registered(ahead: bool) -> Any:
    return SimpleNamespace(name="load", ahead=ahead, at="18:00", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("finished", "without", "ahead"),
    [
        ([], False, False),
        ([("2024-03-30", datetime(2024, 3, 30, 17, 5, tzinfo=UTC))], True, True),
        ([("2024-03-30", datetime(2024, 3, 29, 17, 5, tzinfo=UTC))], True, False),
        (
            [
                ("2024-03-30", datetime(2024, 3, 29, 17, 5, tzinfo=UTC)),
                ("2024-03-31", datetime(2024, 3, 30, 17, 5, tzinfo=UTC)),
            ],
            True,
            True,
        ),
        ([("2024-03-30", datetime(2024, 3, 29, 17, 5, tzinfo=UTC)), ("2024-03-31", None)], True, False),
    ],
)
def test_a_date_is_done_when_something_was_done_since_it_was_due(
    finished: list[tuple[str, datetime | None]], without: bool, ahead: bool
) -> None:
    assert is_done(routines(*finished), registered(False), "2024-03-30") is without
    assert is_done(routines(*finished), registered(True), "2024-03-30") is ahead
