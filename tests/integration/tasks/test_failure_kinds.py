"""What becomes of an attempt that did not succeed: only the task's own error uses up an attempt."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo.errors
import pytest
import redis.exceptions
from mlflow.exceptions import MlflowException

from rollq import Backend, RoundFailed, TaskState, run_task
from rollq.scheduler.rounds import verdict
from rollq.scheduler.rounds.trainers import trainer_for
from rollq.scheduler.routine.ledger import Routines, RoutineState
from rollq.tasks.client.explain import explain
from rollq.tasks.errors import Draining, NotYet, Unavailable
from rollq.tasks.queue.task import Task
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.upkeep.sweeper import SweepTimer
from rollq.trainers import TrainerR
from rollq.workers.jobs import attempt
from rollq.workers.jobs import job as jobs
from rollq.workers.jobs.attempt import Outcome, WorkerContext, run_one, serve
from tests.online_strategies import BEGIN, LGB, manager, template, write_prices
from tests.pool_tasks import POOL, claim, create, expire


class Cancelled(BaseException):
    """As some libraries have it: no Exception."""


def full() -> BaseException:
    return OSError(errno.ENOSPC, "No space left on device", "/scratch/model")


OWN = [SystemExit("licence server not found"), Cancelled("out of scope"), GeneratorExit("x"), MemoryError("too large")]
OWN += [MlflowException("no model of this kind")]  # its code is that of a broken server, as of each without one
OUTAGES = [Unavailable("MLflow does not answer"), full()]


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[BaseException], None]]:
    """Lets every job end with an error."""

    def set_(error: BaseException) -> None:
        def run(self: Any, checkpoint: Any) -> dict[str, Any]:
            raise error

        monkeypatch.setattr(jobs.Training, "run", run)

    yield set_
    attempt._rests_until = 0.0


def only(backend: Backend) -> Task:
    (task,) = backend.tasks.find(POOL)
    return task


@pytest.mark.parametrize("error", OWN, ids=repr)
def test_an_own_error_is_kept_with_its_text(backend: Backend, raising: Any, error: BaseException) -> None:
    create(backend.tasks)
    raising(error)
    outcomes = [run_one(backend, POOL, None, WorkerContext("w")) for _ in range(backend.settings.max_attempts + 1)]
    assert outcomes == [Outcome.FAILED] * backend.settings.max_attempts + [Outcome.NOTHING]
    task = only(backend)
    assert task.status is TaskState.FAILED
    assert task.losses == 0
    assert (task.error or {})["type"] == type(error).__name__
    assert (task.error or {})["message"] == str(error)
    assert (task.error or {})["where"].startswith(__file__)


@pytest.mark.parametrize("error", [TypeError("fit() got a frame"), KeyError("close")], ids=repr)
def test_an_error_that_comes_again_each_time_is_tried_once(backend: Backend, raising: Any, error: Exception) -> None:
    create(backend.tasks)
    raising(error)
    assert run_one(backend, POOL, None, WorkerContext("w")) is Outcome.FAILED
    assert only(backend).status is TaskState.FAILED


@pytest.mark.parametrize("error", OUTAGES, ids=repr)
def test_an_outage_uses_up_no_attempt_and_says_why(backend: Backend, raising: Any, error: BaseException) -> None:
    create(backend.tasks)
    raising(error)
    for _ in range(backend.settings.max_attempts + 2):
        assert run_one(backend, POOL, None, WorkerContext("w")) is Outcome.OUTAGE
        ready = {"not_before": backend.store.now(), "stage": "unstaged"}
        backend.store.collection("tasks").update_many({}, {"$set": ready})
    task = only(backend)
    assert (task.status, task.failures, task.losses) == (TaskState.WAITING, 0, 0)
    assert any("does not count: outage: " in reason and str(error) in reason for reason in explain(backend, task))


def test_an_outage_is_told_to_the_user_who_waits(backend: Backend, raising: Any) -> None:
    create(backend.tasks)
    raising(full())
    with pytest.raises(Unavailable, match="No space left"):
        TrainerR(POOL, backend=backend).work()


def test_a_process_that_met_an_outage_rests(backend: Backend, raising: Any) -> None:
    create(backend.tasks, 5)
    raising(full())
    assert serve(backend, POOL, "", WorkerContext("w")) == 1
    assert serve(backend, POOL, "", WorkerContext("w")) == 0
    assert sum(task.attempts for task in backend.tasks.find(POOL)) == 1


@pytest.mark.parametrize("error", [Draining("The worker stops."), NotYet("the prices are not there")], ids=repr)
def test_stops_and_early_attempts_use_up_nothing(backend: Backend, raising: Any, error: BaseException) -> None:
    create(backend.tasks)
    raising(error)
    assert run_one(backend, POOL, None, WorkerContext("w")) is Outcome.RELEASED
    task = only(backend)
    assert (task.status, task.failures) == (TaskState.WAITING, 0)
    assert task.not_yet == ("the prices are not there" if isinstance(error, NotYet) else "")


def test_a_signal_ends_the_process_and_the_task_goes_back(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    create(backend.tasks)

    def leave(*_: Any) -> None:
        raise SystemExit(143)

    def run(self: Any, checkpoint: Any) -> dict[str, Any]:
        signal.raise_signal(signal.SIGTERM)
        return {}

    monkeypatch.setattr(jobs.Training, "run", run)
    before = signal.signal(signal.SIGTERM, leave)
    try:
        with pytest.raises(SystemExit):
            run_one(backend, POOL, None, WorkerContext("w"))
    finally:
        signal.signal(signal.SIGTERM, before)
    task = only(backend)
    assert (task.status, task.failures, task.losses) == (TaskState.WAITING, 0, 0)
    assert task.given_back == "the worker was stopped"


def test_a_plain_loop_makes_the_same_difference(backend: Backend) -> None:
    create(backend.tasks, 3)
    errors = iter([full(), SystemExit("no licence"), Unavailable("away")])

    def work(task: Any) -> dict[str, Any]:
        raise next(errors)

    settings = {"max_attempts": 1}
    backend.tasks._settings = backend.settings.model_copy(update=settings)
    assert run_task(work, POOL, backend=backend) == 0
    states = sorted(str(task.status) for task in backend.tasks.find(POOL))
    assert states == ["FAILED", "WAITING", "WAITING"]


# -- losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["signal 15 (SIGTERM)", "signal 1 (SIGHUP)"])
def test_a_process_that_ended_because_it_was_asked_to_is_no_loss(backend: Backend, end: str) -> None:
    create(backend.tasks)
    for _ in range(backend.settings.max_worker_losses + 1):
        claim(backend.tasks, "host/1/2")
        (taken,) = backend.tasks.reclaim("sweeper", {"host/1/2": end})
        assert (taken.status, taken.losses) == (TaskState.WAITING, 0)


def test_a_worker_that_was_killed_while_it_drained_is_no_loss(backend: Backend) -> None:
    create(backend.tasks, 2)
    mine, other = claim(backend.tasks, "host/1/2"), claim(backend.tasks, "host/10/2")
    backend.tasks.excuse("host/1/")
    for one in (mine, other):
        expire(backend, one)
    losses = {task.id: task.losses for task in backend.tasks.reclaim("sweeper")}
    assert losses == {mine.task_id: 0, other.task_id: 1}


def test_a_lease_that_nobody_could_renew_is_no_loss(backend: Backend) -> None:
    create(backend.tasks, 2)
    cut_off, dead = claim(backend.tasks, "host/1/2"), claim(backend.tasks, "host/1/3")
    for one in (cut_off, dead):
        expire(backend, one)
    taken = backend.tasks.reclaim("sweeper", {"host/1/3": "signal 9 (SIGKILL)"}, blamed=False)
    assert {task.id: task.losses for task in taken} == {cut_off.task_id: 0, dead.task_id: 1}


@pytest.mark.parametrize(
    ("cause", "blamed"),
    [(pymongo.errors.AutoReconnect("gone"), False), (redis.exceptions.ConnectionError("gone"), True)],
    ids=["store", "broker"],
)
def test_a_store_that_goes_away_within_a_sweep_excuses_leases_at_the_next(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, cause: Exception, blamed: bool
) -> None:
    seen: list[bool] = []

    def swept(*_: object, blamed: bool) -> None:
        seen.append(blamed)
        if len(seen) == 1:
            raise Unavailable("It does not answer.") from cause

    monkeypatch.setattr("rollq.tasks.upkeep.sweeper.sweep", swept)
    timer = SweepTimer(backend, "sweeper")
    with pytest.raises(Unavailable):
        timer._sweep()
    timer._sweep()
    timer._sweep()
    assert seen == [True, blamed, True]


def test_a_second_phase_that_was_given_back_waits_as_long_as_a_first_one(backend: Backend) -> None:
    create(backend.tasks)
    backend.tasks.commit(claim(backend.tasks), {"half": 1}, part=True)
    again = backend.tasks.claim_among(POOL, "w", {}, TaskState.PART_DONE)
    assert again
    backend.tasks.release(again, "outage: MLflow is away", 60.0)
    assert backend.tasks.claim_among(POOL, "w", {}, TaskState.PART_DONE) is None, "a loop would try it again at once"
    assert backend.tasks.get(again.task_id).partial == {"half": 1}


# -- rounds and routines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (full(), RoundState.OPEN),
        (Unavailable("away"), RoundState.OPEN),
        (SystemExit("an own strategy"), RoundState.FAILED),
        (RuntimeError("an own strategy"), RoundState.FAILED),
    ],
    ids=repr,
)
def test_a_round_fails_by_its_own_error_only(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, state: RoundState
) -> None:
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), "kinds", LGB))

    errors = iter([error, KeyboardInterrupt()])  # gathered again, the user stops it

    def raise_(*_: Any, **__: Any) -> Any:
        raise next(errors)

    monkeypatch.setattr(verdict, "check_policy", raise_)
    with pytest.raises((RoundFailed, KeyboardInterrupt)):
        made.first_train(timeout=120)
    (found,) = backend.rounds.find("kinds")
    assert found.status is state
    if state is RoundState.FAILED:
        assert "an own strategy" in found.reason
        assert __file__ in found.reason


def test_a_routine_waits_for_prices_that_come_later_and_goes_on_by_itself(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = write_prices(tmp_path / "prices.parquet")
    made = manager(backend, template(prices, "late", LGB), TrainerR)
    made.first_train(timeout=60)
    made.routine(BEGIN, timeout=60)
    from rollq import DataError
    from rollq.scheduler.routine.driver import bring_up_to
    from rollq.scheduler.routine.ledger import DATA
    from tests.online_strategies import LIVED

    missing = [True]
    real = jobs.predict

    def predict(*args: Any) -> dict[str, Any]:
        if missing[0]:
            raise DataError("the closes of the session are NaN")
        return real(*args)

    monkeypatch.setattr(jobs, "predict", predict)
    name, session = "late", LIVED[1]
    for _ in range(4):
        reached = bring_up_to(backend, name, session, "me")
        trainer_for(TrainerR, backend, name).work()
    reached = bring_up_to(backend, name, session, "me")
    assert reached
    assert (reached.status, reached.waits_for.startswith(DATA)) == (RoutineState.OPEN, True)
    assert "NaN" in reached.waits_for
    missing[0] = False
    backend.store.collection("routines").update_many({}, {"$set": {"looked_at": backend.store.now()}})
    made.routine(session, timeout=60)
    assert session in Routines(backend).done(name)
