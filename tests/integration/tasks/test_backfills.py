"""Backfills against a real store: limits, order, pauses, cancellation, modes, crashes between two writes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from operator import attrgetter
from typing import Any

import pytest

import rollq.tasks.queue.admission
import rollq.tasks.queue.task_store
from rollq import Backend, Backfill, BackfillMode, BackfillState, CalendarError, InvalidTransition, NotFound, TaskState
from rollq.scheduler.backfill_plan import BackfillPlan, Fate, begin_backfill, plan_backfill, read_span
from rollq.scheduler.strategies.plan import Plan
from rollq.tasks.client.explain import explain
from rollq.tasks.client.progress import failures_of, progress_of
from rollq.tasks.errors import StateError
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.queue.task import TaskError
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.upkeep.sweeper import sweep

POOL = "pool"
EVER = ("1900-01-01", "9999-12-31")


def definition(number: int) -> dict[str, Any]:
    """A window that is tested in month ``number``."""
    year, month = divmod(number, 12)
    test = [f"{2000 + year}-{month + 1:02}-01", f"{2000 + year}-{month + 1:02}-28"]
    segments = {"train": ["1990-01-01", "1999-12-31"], "test": test}
    return {"model": {"class": "M", "kwargs": {}}, "dataset": {"kwargs": {"segments": segments}}, "record": []}


def plan(count: int) -> Plan:
    return Plan(POOL, tuple(definition(n) for n in range(count)), ())


def planned(backend: Backend, count: int, span: tuple[str, str] = EVER, **options: Any) -> BackfillPlan:
    return plan_backfill(plan(count), backend, span, **options)


def begin(backend: Backend, count: int, max_active: int | None = None, **options: Any) -> Backfill:
    made = begin_backfill(backend, planned(backend, count, **options), max_active)
    assert made
    return made


def ids(count: int) -> list[str]:
    found = plan_backfill(plan(count), None, EVER)
    return [window.task_id for window in found.windows]


def claim(backend: Backend, number: int | None = None) -> Claim:
    """Claim a task, that of month ``number``."""
    wanted = None if number is None else ids(number + 1)[number]
    found = backend.tasks.claim(POOL, "w", wanted=wanted)
    assert found
    assert wanted in (None, found.task_id)
    return found


def train(backend: Backend, claimed: Claim | None = None, error: str | None = None) -> Claim:
    """What a worker does: the task, and then the backfill."""
    found = claimed or claim(backend)
    if error:
        backend.tasks.fail(found, TaskError("ValueError", error, permanent=True))
    else:
        backend.tasks.commit(found, {"recorder_id": f"r{found.fence}"})
    if found.backfill:
        backend.backfills.advance(found.backfill)
    return found


def states(backend: Backend) -> dict[str, int]:
    return {str(state): n for state, n in backend.tasks.stat(POOL).items() if n}


def active(backend: Backend) -> int:
    """How many tasks wait for a worker or run."""
    found = backend.tasks.find(POOL, status=[TaskState.WAITING, TaskState.RUNNING])
    return sum(not task.held for task in found if task.status is TaskState.WAITING) + sum(
        task.status is TaskState.RUNNING for task in found
    )


def free(backend: Backend) -> list[int]:
    """Months of the tasks that may be claimed."""
    waiting = backend.tasks.find(POOL, status=[TaskState.WAITING])
    return [_month(task.segments["test"][0]) for task in waiting if not task.held]


def _month(day: str | None) -> int:
    assert day
    return (int(day[:4]) - 2000) * 12 + int(day[5:7]) - 1


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, target: Any, name: str) -> Iterator[None]:
    """The process dies when it comes to ``name``."""

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(target, name, die)
        try:
            yield
        except SystemExit:
            return
    raise AssertionError(f"it never came to {name}")


# -- limit and order --------------------------------------------------------------------------------------------------


def test_it_goes_through_all_windows_a_few_at_a_time(backend: Backend) -> None:
    made = begin(backend, 7, 2)
    assert (made.status, made.total) == (BackfillState.ACTIVE, 7)
    order = []
    while (found := backend.backfills.get(made.id)).status is BackfillState.ACTIVE:
        assert active(backend) <= 2
        order.append(train(backend).task_id)
    assert sorted(order) == sorted(ids(7))
    assert (found.status, found.settled) == (BackfillState.FINISHED, True)
    assert found.counts
    assert found.counts["DONE"] == 7
    assert found.ended_at
    assert backend.backfills.unsettled() == []


def test_newest_first(backend: Backend) -> None:
    backend.tasks.create_tasks(POOL, [definition(n) for n in (1, 4)])
    backend.tasks.cancel([ids(6)[1], ids(6)[4]], "me")
    begin(backend, 6, 1, newest_first=True)
    months = [_month(train(backend).definition["dataset"]["kwargs"]["segments"]["test"][0]) for _ in range(6)]
    assert months == [5, 4, 3, 2, 1, 0]
    begin(backend, 6, 3, newest_first=True, mode=BackfillMode.ALL)
    assert free(backend) == [5, 4, 3], "also among those that wait together, whenever their tasks were made"


def test_a_task_in_its_backoff_counts_and_one_that_a_person_holds_does_not(backend: Backend) -> None:
    made = begin(backend, 4, 1)
    first = claim(backend)
    backend.tasks.fail(first, TaskError("E", "again"))
    assert backend.backfills.advance(made.id) == 0
    backend.tasks.hold([first.task_id])
    assert backend.backfills.advance(made.id) == 1
    for _ in range(3):
        train(backend)
    assert backend.backfills.get(made.id).status is BackfillState.ACTIVE, "a person still holds one"
    backend.tasks.unhold([first.task_id])
    train(backend)
    assert backend.backfills.get(made.id).status is BackfillState.FINISHED


def test_without_a_limit_everything_waits_for_workers(backend: Backend) -> None:
    begin(backend, 30)
    assert len(free(backend)) == 30


def test_many_who_advance_at_once_never_let_too_many_go(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, count = 4, 200
    made = begin(backend, count, limit)
    others = [Backend.of(backend.settings) for _ in range(5)]
    lock, most, errors = threading.Lock(), [0], []
    real = rollq.tasks.queue.admission.TaskAdmission.admit

    def admit(*arguments: Any) -> int:
        """Let tasks go and count while nobody else lets one go or finishes one: then the count is exact."""
        with lock:
            gone = real(*arguments)
            most[0] = max(most[0], active(backend))
        return gone

    def work(mine: Backend) -> None:
        try:
            while mine.backfills.get(made.id).status is BackfillState.ACTIVE:
                mine.backfills.advance(made.id)
                if found := mine.tasks.claim(POOL, threading.current_thread().name):
                    if random.random() < 0.3:
                        mine.tasks.release(found, "it moves back while others count")
                        continue
                    with lock:
                        mine.tasks.commit(found, {})
        except BaseException as error:
            errors.append(error)
            raise

    monkeypatch.setattr(rollq.tasks.queue.admission.TaskAdmission, "admit", admit)
    threads = [threading.Thread(target=work, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for one in others:
        one.store.close()
    assert errors == []
    assert most[0] == limit
    assert states(backend) == {"DONE": count}


def test_a_slow_caller_changes_nothing_that_others_have_changed(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begin(backend, 8, 2)
    backend.tasks.commit(claim(backend, 0), {})
    slow = Backend.of(backend.settings)
    real, calls = slow.backfills._driver._write_admitted, []

    def write_out(*arguments: Any) -> bool:
        """Before it writes what it has decided, two more tasks come and go."""
        calls.append(arguments)
        if len(calls) == 1:
            backend.backfills.advance(made.id)
            train(backend, claim(backend, 2))
        return real(*arguments)

    monkeypatch.setattr(slow.backfills._driver, "_write_admitted", write_out)
    slow.backfills.advance(made.id)
    slow.store.close()
    assert (len(calls), free(backend)) == (1, [1, 3])
    train(backend, claim(backend, 1))
    assert free(backend) == [3, 4]


# -- pause, resume, cancel --------------------------------------------------------------------------------------------


def test_pause_holds_what_waits_and_resume_goes_on_in_order(backend: Backend) -> None:
    made = begin(backend, 6, 3)
    running = claim(backend, 0)
    paused = backend.backfills.pause(made.id)
    assert (paused.status, free(backend)) == (BackfillState.PAUSED, [])
    train(backend, running)
    assert backend.tasks.claim(POOL, "w") is None
    assert states(backend) == {"DONE": 1, "WAITING": 5}
    backend.backfills.resume(made.id)
    assert free(backend) == [1, 2, 3]


def test_what_fails_while_it_is_paused_waits_until_it_goes_on(backend: Backend) -> None:
    made = begin(backend, 2, 1)
    running = claim(backend)
    backend.backfills.pause(made.id)
    backend.tasks.fail(running, TaskError("E", "again"))
    backend.backfills.advance(made.id)
    assert backend.tasks.claim(POOL, "w") is None
    backend.backfills.resume(made.id)
    assert claim(backend).task_id == running.task_id


def test_cancel_leaves_what_runs_and_what_is_done(backend: Backend) -> None:
    made = begin(backend, 6, 2)
    train(backend)
    running = claim(backend)
    cancelled = backend.backfills.cancel(made.id)
    assert (cancelled.status, cancelled.settled) == (BackfillState.CANCELLED, False)
    assert states(backend) == {"DONE": 1, "RUNNING": 1, "CANCELLED": 4}
    train(backend, running)
    found = backend.backfills.get(made.id)
    assert found.settled
    assert found.counts == {**dict.fromkeys(map(str, TaskState), 0), "DONE": 2, "CANCELLED": 4}


def test_cancel_takes_running_tasks_along_if_told_to(backend: Backend) -> None:
    made = begin(backend, 3, 2)
    running = claim(backend)
    assert backend.backfills.cancel(made.id, running=True).settled
    assert states(backend) == {"CANCELLED": 3}
    assert not backend.tasks.holds(running)


def test_what_goes_back_to_waiting_after_the_cancellation_is_cancelled(backend: Backend) -> None:
    made = begin(backend, 1)
    running = claim(backend)
    backend.backfills.cancel(made.id)
    backend.tasks.release(running, "the worker stops")
    sweep(backend, "sweeper")
    assert states(backend) == {"CANCELLED": 1}
    assert backend.backfills.get(made.id).settled


def test_changes_that_the_state_does_not_allow(backend: Backend) -> None:
    made = begin(backend, 1)
    with pytest.raises(InvalidTransition, match="It may become"):
        backend.backfills.resume(made.id)
    backend.backfills.pause(made.id)
    with pytest.raises(InvalidTransition):
        backend.backfills.pause(made.id)
    backend.backfills.cancel(made.id)
    for change in (backend.backfills.pause, backend.backfills.resume, backend.backfills.cancel):
        with pytest.raises(InvalidTransition, match="ended"):
            change(made.id)


def test_ids_may_be_shortened(backend: Backend) -> None:
    made = begin(backend, 1)
    assert backend.backfills.get(made.id[:6]) == backend.backfills.get(made.id)
    for wrong in ("ffffffffffff", "", "XYZ", made.id + "0"):
        with pytest.raises(NotFound):
            backend.backfills.get(wrong)
    for n in range(17):
        backend.backfills.open(POOL, POOL, BackfillMode.ALL, EVER, n)
    digits = [one.id[0] for one in backend.backfills.find()]
    twice = next(digit for digit in digits if digits.count(digit) > 1)
    with pytest.raises(StateError, match="Several"):
        backend.backfills.get(twice)


# -- modes ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(backend: Backend) -> Backend:
    """Windows 0 done, 1 failed, 2 cancelled, 3 running, 4 waiting, 5 held for a delayed round, 6 and 7 not there."""
    backend.tasks.create_tasks(POOL, [definition(n) for n in range(5)])
    backend.tasks.create_tasks(POOL, [definition(5)], held=True)
    train(backend, claim(backend, 0))
    train(backend, claim(backend, 1), error="broken")
    backend.tasks.cancel([ids(3)[2]], "me")
    claim(backend, 3)
    return backend


FATES = {
    BackfillMode.MISSING: "leave retry retry leave leave leave create create",
    BackfillMode.FAILED: "leave retry retry leave leave leave leave leave",
    BackfillMode.ALL: "anew retry retry leave leave leave create create",
}


@pytest.mark.parametrize("mode", BackfillMode)
def test_which_windows_each_mode_takes(mode: BackfillMode, mixed: Backend) -> None:
    found = planned(mixed, 8, mode=mode)
    assert [window.fate.name.lower() for window in found.windows] == FATES[mode].split()
    made = begin_backfill(mixed, found, 1)
    assert made
    assert made.total == len(found.chosen)
    mixed.tasks.hold([ids(5)[4]])  # it waits on its own account
    for _ in range(made.total):
        train(mixed)
    assert mixed.backfills.get(made.id).status is BackfillState.FINISHED
    assert planned(mixed, 8, mode=mode).counts()[Fate.CREATE] == 0


def test_done_windows_are_trained_anew_in_their_turn_and_kept_if_it_does_not_come(backend: Backend) -> None:
    backend.tasks.create_tasks(POOL, [definition(n) for n in range(4)])
    first = [train(backend, claim(backend, n)) for n in range(4)]
    made = begin(backend, 4, 1, mode=BackfillMode.ALL)
    assert states(backend) == {"DONE": 3, "WAITING": 1}
    again = train(backend)
    assert (again.task_id, again.fence > first[0].fence) == (first[0].task_id, True)
    backend.backfills.cancel(made.id)
    results = [(str(task.status), (task.result or {}).get("recorder_id")) for task in backend.tasks.find(POOL)]
    assert sorted(results) == [("DONE", "r1"), ("DONE", "r1"), ("DONE", "r1"), ("DONE", "r3")]
    found = backend.backfills.get(made.id)
    assert found.counts
    assert (found.counts["DONE"], found.counts["CANCELLED"]) == (1, 0), "it does not boast of what it did not train"


@pytest.mark.parametrize("when", ["waiting", "held", "running", "failed before", "paused"])
def test_a_cancelled_backfill_gives_back_what_was_done(when: str, backend: Backend) -> None:
    """Without a limit all are admitted at once."""
    backend.tasks.create_tasks(POOL, [definition(n) for n in range(3)])
    for n in range(3):
        train(backend, claim(backend, n))
    made = begin(backend, 4, mode=BackfillMode.ALL)
    assert states(backend) == {"WAITING": 4}
    if when == "held":
        backend.tasks.hold(ids(1))
    elif when == "running":
        claim(backend, 1)
    elif when == "failed before":
        backend.tasks.fail(claim(backend, 1), TaskError("E", "again"))
    elif when == "paused":
        backend.backfills.pause(made.id)
    assert backend.backfills.cancel(made.id, running=True).settled
    assert states(backend) == {"DONE": 3, "CANCELLED": 1}
    done = backend.tasks.find(POOL, status=[TaskState.DONE])
    assert [(task.result, task.error, task.backfill) for task in done] == [({"recorder_id": "r1"}, None, None)] * 3
    assert begin(backend, 4, mode=BackfillMode.ALL).total == 4, "they are free for the next one"


def test_a_failed_training_of_a_done_window_leaves_its_result(backend: Backend) -> None:
    backend.tasks.create_tasks(POOL, [definition(0)])
    train(backend)
    begin(backend, 1, mode=BackfillMode.ALL)
    train(backend, error="broken")
    (failed,) = backend.tasks.find(POOL)
    assert (failed.status, failed.committed) == (TaskState.FAILED, {"recorder_id": "r1"})
    assert failed.error
    begin(backend, 1, mode=BackfillMode.FAILED)
    again = train(backend)
    assert backend.tasks.get(failed.id).result == {"recorder_id": f"r{again.fence}"}


def test_a_window_belongs_to_one_backfill_at_a_time(backend: Backend) -> None:
    first = begin(backend, 3, 1)
    for mode in BackfillMode:
        assert {window.fate for window in planned(backend, 3, mode=mode).windows} == {Fate.LEAVE}
    assert begin_backfill(backend, planned(backend, 3)) is None
    backend.backfills.cancel(first.id)
    assert begin(backend, 3).total == 3


def test_two_creators_at_once_share_the_windows(backend: Backend) -> None:
    backend.tasks.create_tasks(POOL, [definition(n) for n in range(3)])
    for _ in range(3):
        train(backend)
    plans = [planned(backend, 6, mode=BackfillMode.ALL) for _ in range(2)]  # both see the same
    first, second = (begin_backfill(backend, one, 1) for one in plans)
    assert first
    assert second
    assert (first.total, backend.backfills.get(second.id).status) == (6, BackfillState.FINISHED)
    for _ in range(6):
        train(backend)
    assert backend.backfills.get(first.id).status is BackfillState.FINISHED


def test_failed_rounds_of_retried_tasks_are_opened_again(backend: Backend) -> None:
    created = backend.tasks.create_tasks(POOL, [definition(0)])
    ident = backend.rounds.create(POOL, created.ids, Serve())
    backend.tasks.join_round(created.ids, ident)
    train(backend, error="broken")
    gathering = backend.rounds.claim(ident, "c")
    assert gathering
    backend.rounds.fail(gathering, "too few")
    begin(backend, 1, mode=BackfillMode.FAILED)
    assert backend.rounds.get(ident).status == "open"


def test_only_windows_that_meet_the_range(backend: Backend) -> None:
    found = planned(backend, 12, ("2000-03-28", "2000-05-01"))
    assert [_month(window.test[0]) for window in found.windows] == [2, 3, 4]
    with pytest.raises(CalendarError, match="reach from 2000-01-01 to 2000-12-28"):
        planned(backend, 12, ("2010-01-01", "2010-12-31"))
    with pytest.raises(CalendarError, match="Swap"):
        read_span("2020-01-02", "2020-01-01")
    with pytest.raises(CalendarError, match="not a date"):
        read_span("soon", "2020-01-01")


# -- a process dies, the next one goes on ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [BackfillMode.MISSING, BackfillMode.ALL])
@pytest.mark.parametrize(
    ("target", "name", "late"), [("tasks.admission", "admit", 1), ("backfills._driver", "_move_cursor", 0)]
)
def test_killed_between_two_writes(
    target: str, name: str, late: int, mode: BackfillMode, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mode is BackfillMode.ALL:
        backend.tasks.create_tasks(POOL, [definition(n) for n in range(5)])
        for _ in range(5):
            train(backend)
    made = begin(backend, 5, 2, mode=mode)
    backend.tasks.commit(claim(backend), {})
    with dying(monkeypatch, attrgetter(target)(backend), name):
        backend.backfills.advance(made.id)
    assert backend.backfills.advance(made.id) == late, "what the dead one decided is done once"
    assert active(backend) == 2
    for _ in range(4):
        train(backend)
    assert backend.backfills.get(made.id).status is BackfillState.FINISHED


@pytest.mark.parametrize(
    ("verb", "write", "expected"),
    [("pause", "withdraw", {"WAITING": 3}), ("cancel", "drop", {"CANCELLED": 3})],
)
def test_killed_between_the_word_and_the_deed(
    verb: str, write: str, expected: dict[str, int], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begin(backend, 3, 2)
    with dying(monkeypatch, backend.tasks.admission, write):
        getattr(backend.backfills, verb)(made.id)
    assert free(backend) == [0, 1]
    sweep(backend, "sweeper")
    assert (free(backend), states(backend)) == ([], expected)


def test_killed_in_the_middle_of_a_cancellation(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollq.tasks.queue.admission, "CHUNK", 2)
    monkeypatch.setattr(rollq.tasks.queue.task_store, "CHUNK", 2)
    made = begin(backend, 7, 3)
    with dying(monkeypatch, backend.tasks, "cancel"):
        backend.tasks.claim(POOL, "w")
        backend.backfills.cancel(made.id, running=True)
    sweep(backend, "sweeper")
    assert states(backend) == {"CANCELLED": 7}


def test_a_creator_that_dies_leaves_nothing_behind(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.tasks.create_tasks(POOL, [definition(n) for n in range(2)])
    train(backend)
    found = planned(backend, 6, mode=BackfillMode.ALL)
    with dying(monkeypatch, backend.backfills, "touch"), monkeypatch.context() as patch:
        patch.setattr(backend.backfills, "cancel", lambda *_, **__: None)  # killed for good, it cleans nothing up
        begin_backfill(backend, found)
    (made,) = backend.backfills.find(POOL)
    assert made.status is BackfillState.PREPARING
    sweep(backend, "sweeper")
    assert backend.backfills.get(made.id).status is BackfillState.PREPARING, "it may only be slow"
    long_ago = {"touched_at": made.touched_at - timedelta(minutes=5)}
    backend.store.collection("backfills").update_one({"_id": made.id}, {"$set": long_ago})
    sweep(backend, "sweeper")
    assert backend.backfills.get(made.id).status is BackfillState.CANCELLED
    assert "interrupted" in backend.backfills.get(made.id).reason
    assert states(backend) == {"DONE": 1, "WAITING": 1, "CANCELLED": 4}
    assert begin(backend, 6, mode=BackfillMode.ALL).total == 5


def test_a_creator_that_was_given_up_learns_it(backend: Backend) -> None:
    made = backend.backfills.open(POOL, POOL, BackfillMode.MISSING, EVER, 2)
    backend.backfills.cancel(made.id)
    attachment = rollq.tasks.queue.admission.Attachment(made.id, made.first_seq, [0, 1])
    backend.tasks.create_tasks(POOL, [definition(0), definition(1)], attachment=attachment)
    with pytest.raises(InvalidTransition):
        backend.backfills.touch(made.id)
    assert states(backend) == {"CANCELLED": 2}


def test_a_store_that_restarts_in_between(backend: Backend, stack: Any) -> None:
    made = begin(backend, 4, 1)
    for _ in range(2):
        train(backend)
    stack.restart_store()
    for _ in range(2):
        train(backend)
    assert backend.backfills.get(made.id).status is BackfillState.FINISHED


# -- what it says -----------------------------------------------------------------------------------------------------


def test_progress_rate_and_expected_end(backend: Backend) -> None:
    made = begin(backend, 10, 2)
    assert progress_of(backend, made).per_hour is None
    for n in range(4):
        train(backend, error="broken" if n == 3 else None)
    collection = backend.store.collection("backfills")
    collection.update_one({"_id": made.id}, {"$set": {"going_since": made.created_at - timedelta(minutes=4)}})
    found = progress_of(backend, backend.backfills.get(made.id))
    assert (found.total, found.finished, found.pending) == (10, 4, 4)
    assert found.states[TaskState.WAITING] == 2
    assert found.per_hour == pytest.approx(60, rel=0.2)
    assert found.eta_seconds == pytest.approx(360, rel=0.2)
    assert [_month(one.test[0]) for one in found.following] == [6, 7, 8, 9]
    (failure,) = failures_of(backend, made, 10)
    assert failure.error
    assert failure.error["message"] == "broken"
    assert progress_of(backend, backend.backfills.pause(made.id)).eta is None


def test_a_held_task_says_which_backfill_it_waits_for(backend: Backend) -> None:
    made = begin(backend, 3, 1)
    reasons = explain(backend, backend.tasks.get(ids(3)[2]))
    assert made.id in reasons[0]


def test_twenty_thousand_windows(backend: Backend) -> None:
    count = 20_000
    began = time.perf_counter()
    made = begin(backend, count, 4)
    created = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(50):
        train(backend)
    each = (time.perf_counter() - began) / 50
    began = time.perf_counter()
    progress = progress_of(backend, backend.backfills.get(made.id))
    shown = time.perf_counter() - began
    backend.backfills.pause(made.id)
    began = time.perf_counter()
    backend.backfills.cancel(made.id)
    cancelled = time.perf_counter() - began
    print(f"create {created:.1f} s, a task {each * 1000:.1f} ms, show {shown:.2f} s, cancel {cancelled:.1f} s")
    assert (progress.total, progress.finished, progress.pending) == (count, 50, count - 54)
    assert states(backend) == {"DONE": 50, "CANCELLED": count - 50}
    assert each < 0.25, "a search through all of them would cost more"
    assert (created < 60, shown < 5, cancelled < 60) == (True, True, True)
