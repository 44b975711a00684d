"""Routines in the store: one per session, one worker at a time, and nobody writes who has lost it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from rollq import Backend, LeaseLost
from rollq.scheduler.routine.ledger import Routine, Routines, RoutineState
from rollq.scheduler.routine.step_results import Gathered, Notes, Prepared, Promoted, Published, Step, Trained, Updated
from tests.pool_tasks import age

DAY, NEXT = "2021-01-04", "2021-01-05"
NOTES = Notes(predictions=("$a",), released=True)
RESULTS = {
    Step.UPDATE: Updated(tasks=2),
    Step.PREPARE: Prepared(tasks=1, round="$round", ids=("$a",), why=("1 new",)),
    Step.TRAIN: Trained(states={"DONE": 1}),
    Step.GATHER: Gathered(strategy="$s", version=1),
    Step.PROMOTE: Promoted(version=1),
    Step.PUBLISH: Published(number=1, rows=2, sha256="$0"),
}


@pytest.fixture
def routines(backend: Backend) -> Routines:
    made = Routines(backend)
    made.ensure_indexes()
    return made


def claimed(routines: Routines, session: str = DAY, by: str = "me") -> Routine:
    routines.open("s", session)
    found = routines.claim("s", session, by)
    assert found
    return found


def test_many_who_open_and_claim_at_once_come_to_one(routines: Routines) -> None:
    got: list[Routine | None] = []

    def go(number: int) -> None:
        routines.open("s", DAY)
        got.append(routines.claim("s", DAY, f"w{number}"))

    threads = [threading.Thread(target=go, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = filter(None, got)
    (stored,) = routines.history("s")
    assert (stored.by, stored.fence, stored.status, stored.next_step) == (winner.by, 1, RoutineState.OPEN, Step.UPDATE)


WRITES: dict[str, Callable[[Routines, Routine], Any]] = {
    "renew": lambda routines, held: routines.renew(held),
    "finish_step": lambda routines, held: routines.finish_step(held, Step.UPDATE, Updated(skipped="$b")),
    "release": lambda routines, held: routines.release(held, "$b"),
    "fail": lambda routines, held: routines.fail(held, "$b"),
    "finish": lambda routines, held: routines.finish(held),
}


@pytest.mark.parametrize("name", WRITES)
def test_one_that_was_overtaken_writes_nothing(backend: Backend, routines: Routines, name: str) -> None:
    slow = claimed(routines, by="slow")
    assert routines.claim("s", DAY, "quick") is None
    age(backend, "routines", f"s:{DAY}")
    quick = routines.claim("s", DAY, "quick")
    assert quick
    with pytest.raises(LeaseLost, match="quick holds it, with fence 2"):
        WRITES[name](routines, slow)
    assert routines.open("s", DAY) == quick
    WRITES[name](routines, quick)
    if name in ("release", "fail", "finish"):
        with pytest.raises(LeaseLost):  # it gave it up
            WRITES[name](routines, quick)


def test_a_routine_goes_through_its_steps_and_is_done_for_good(routines: Routines) -> None:
    held = claimed(routines)
    for step in Step:
        assert held.next_step is step
        held = routines.finish_step(held, step, RESULTS[step])
    assert held.steps.train
    assert held.steps.train == replace(RESULTS[Step.TRAIN], by="me", at=held.steps.train.at)
    assert [step for step, _ in held.steps.finished()] == list(Step)
    assert routines.done("s").last() == ""
    assert routines.finish(held).finished_at
    assert routines.claim("s", DAY, "another") is None
    assert routines.open("s", DAY).status is RoutineState.DONE
    assert routines.done("s").last() == DAY


def test_one_that_failed_goes_on_where_it_was(routines: Routines) -> None:
    held = routines.finish_step(claimed(routines), Step.UPDATE, Updated())
    routines.release(held, "rain", NOTES)
    held = claimed(routines)
    failed = routines.fail(held, "no room")
    assert (failed.status, failed.reason) == (RoutineState.FAILED, "no room")
    again = claimed(routines)
    assert (again.status, again.next_step, again.notes) == (RoutineState.OPEN, Step.PREPARE, NOTES)
    assert again.fence == held.fence + 1
    assert routines.finish_step(again, Step.PREPARE, Prepared()).reason == ""


def test_those_that_wait_or_whose_worker_died_are_found(backend: Backend, routines: Routines) -> None:
    routines.release(claimed(routines), "rain")
    claimed(routines, NEXT)
    assert routines.unfinished(60.0) == []
    time.sleep(0.02)
    assert [one.session for one in routines.unfinished(0.01)] == [DAY]
    age(backend, "routines", f"s:{NEXT}")
    assert [one.session for one in routines.unfinished(60.0)] == [NEXT]
    routines.skip("s", DAY, "simulated")
    assert routines.unfinished(0.0) == [one for one in routines.history("s") if one.session == NEXT]
    assert (routines.done("s").last(), routines.done("other").last()) == (DAY, "")


def test_the_database_forbids_a_session_twice(backend: Backend, routines: Routines) -> None:
    routines.open("s", DAY)
    documents = backend.store.collection("routines")
    document = documents.find_one({})
    assert document
    with pytest.raises(DuplicateKeyError):
        documents.insert_one({**document, "_id": "another"})
