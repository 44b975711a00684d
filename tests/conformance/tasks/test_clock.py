"""Leases and histories are written with the server's clock: a machine whose clock is wrong does no harm."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from pydantic_core import CoreSchema, core_schema

from rollq import Backend
from rollq.tasks.queue.documents import CANDIDATE_READER, TASKS
from rollq.tasks.queue.task import TaskError
from rollq.tasks.rounds.documents import ROUNDS
from rollq.tasks.rounds.purpose import Serve
from tests.pool_tasks import POOL, claim, create, expire, replace_settings

SKEW = 3_600.0
ROOMS = ("rollq.tasks.mongo.", "rollq.tasks.queue.", "rollq.tasks.leases.", "rollq.tasks.rounds.")


class Skewed(datetime):
    """A clock that is an hour ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + timedelta(seconds=SKEW)

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        """Records that are first read meanwhile hold times all the same."""
        return core_schema.datetime_schema(strict=True)


@pytest.fixture
def wrong_clock(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """From here on every clock of this process but the monotonic one is an hour ahead; returns the true time."""
    for reader in (TASKS, CANDIDATE_READER, ROUNDS):
        reader.problem({})  # it looks up what a datetime is at its first use
    true, stamp, stamp_ns = datetime.now(UTC), time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: stamp() + SKEW)
    monkeypatch.setattr(time, "time_ns", lambda: stamp_ns() + int(SKEW * 1e9))
    for name in [name for name in sys.modules if name.startswith(ROOMS) and "validation" not in name]:
        monkeypatch.setattr(sys.modules[name], "datetime", Skewed, raising=False)
    return true


def test_a_wrong_clock_writes_no_wrong_time(backend: Backend, wrong_clock: datetime) -> None:
    slow = replace_settings(backend, backoff_seconds=100.0, backoff_max_seconds=100.0)
    first, second = create(slow, 2)
    done, failed = claim(slow, wanted=first), claim(slow, wanted=second)
    limit = wrong_clock + timedelta(seconds=200)
    for ident in (first, second):
        expires = slow.get(ident).lease_expires_at
        assert expires
        assert wrong_clock < expires < limit
    slow.renew(done)
    slow.commit(done, {})
    slow.fail(failed, TaskError("E", "m"))
    for task in slow.find(POOL):
        times = [task.created_at, task.not_before, task.started_at, task.ended_at, *(line.at for line in task.history)]
        assert all(at and wrong_clock - timedelta(seconds=1) < at < limit for at in times)


def test_a_wrong_clock_takes_no_live_lease_and_leaves_no_dead_one(backend: Backend, wrong_clock: datetime) -> None:
    alive, dead = create(backend.tasks, 2)
    claim(backend.tasks, wanted=alive)
    expire(backend, claim(backend.tasks, wanted=dead))
    assert [task.id for task in backend.tasks.reclaim("sweeper")] == [dead]
    assert claim(backend.tasks).task_id == dead  # its not_before does not lie in the future
    assert wrong_clock < backend.tasks.now() < wrong_clock + timedelta(seconds=200)


def test_a_wrong_clock_gathers_no_round_of_a_live_gatherer(backend: Backend, wrong_clock: datetime) -> None:
    ident = backend.rounds.create(POOL, create(backend.tasks), Serve())
    assert backend.rounds.claim(ident, "a")
    assert backend.rounds.claim(ident, "b") is None
    assert backend.rounds.abandoned() == []
    assert abs((backend.rounds.get(ident).created_at - wrong_clock).total_seconds()) < 200
