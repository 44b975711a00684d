"""The routine: nothing is done twice, however often it is fired or dies; what was missed is done in order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollq import Backend, DataError, OnlineManager, RoundFailed, TaskState, Unavailable
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.rounds import verdict
from rollq.scheduler.routine import driver as routine_module
from rollq.scheduler.routine.ledger import Routines, RoutineState
from rollq.scheduler.routine.step_results import Step, Steps, Updated
from rollq.scheduler.routine.steps import Waiting
from rollq.scheduler.signals import publication as publishing
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.updates.prediction_tasks import prediction_pool
from rollq.tasks.rounds.documents import RoundState
from rollq.workers.jobs import job as jobs
from rollq.workers.jobs import training
from tests.online_strategies import BEGIN, LIVED, manager, sha256_of, template, with_components, write_prices
from tests.pool_tasks import age

UPTO = LIVED[4]  # a window begins on LIVED[3]


class Died(BaseException):
    """What happens to a process that is killed: nobody handles it."""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    return write_prices(tmp_path / "prices.parquet")


def came_to(backend: Backend, name: str, folder: Path) -> dict[str, Any]:
    """All that the routines of a strategy have left behind."""
    ledger = SignalLedger(backend)
    return {
        "trained": backend.tasks.stat(name),
        "predicted": backend.tasks.stat(prediction_pool(name)),
        "rounds": len(backend.rounds.find(name)),
        "sets": [(one.version, one.session, len(one.models)) for one in OnlineSets(backend.store).history(name)],
        "entries": [(one.number, one.session, one.days, one.sha256) for one in ledger.entries(name)],
        "routines": [
            (one.session, one.status, [step for step, _ in one.steps.finished()])
            for one in Routines(backend).history(name)
        ],
        "signals": sha256_of(ledger.read(name), folder),
    }


_calm: dict[str, Any] = {}


@pytest.fixture
def calm(backend: Backend, prices: Path, tmp_path: Path) -> dict[str, Any]:
    """What five sessions come to when nothing goes wrong: asked for once, it is the same for every test."""
    if not _calm:
        made = manager(backend, template(prices, "calm"))
        made.first_train(timeout=60)
        for session in LIVED[1:5]:
            made.routine(session, timeout=60)
            made.routine(session, timeout=60)  # a replay
        _calm.update(came_to(backend, "calm", tmp_path))
    return _calm


def test_everything_is_done_once_and_what_was_missed_in_order(
    backend: Backend, prices: Path, calm: dict[str, Any], tmp_path: Path
) -> None:
    assert [state for _, state, _ in calm["routines"]] == [RoutineState.DONE] * 5
    assert [steps for *_, steps in calm["routines"]] == [list(Step)] * 5
    assert [session for _, session, _ in calm["sets"]] == [BEGIN, LIVED[3]]
    assert [days[-1] for _, _, days, _ in calm["entries"]] == LIVED[:5]
    late = manager(backend, template(prices, "late"))
    late.routine("2018-03-25", timeout=60)  # a Sunday: the session before it is meant, and all that were missed
    assert [one.session for one in Routines(backend).history("late")] == LIVED[:5]
    assert came_to(backend, "late", tmp_path) == calm
    finished = [one.finished_at for one in Routines(backend).history("late")]
    assert finished == sorted(filter(None, finished))


def test_two_that_fire_at_once_do_everything_once(
    backend: Backend, prices: Path, calm: dict[str, Any], tmp_path: Path
) -> None:
    twins = [manager(backend, template(prices, "twins")) for _ in range(2)]
    errors: list[Exception] = []

    def fire(made: OnlineManager) -> None:
        try:
            made.routine(UPTO, timeout=60)
        except Exception as error:  # noqa: BLE001 - it is shown below
            errors.append(error)

    threads = [threading.Thread(target=fire, args=(made,)) for made in twins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert came_to(backend, "twins", tmp_path) == calm


def test_it_dies_before_and_after_every_step_and_goes_on_where_it_was(
    backend: Backend, prices: Path, calm: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = manager(backend, template(prices, "mortal"))
    deaths = _let_every_step_die(monkeypatch)
    for session in LIVED[:5]:
        while True:
            try:
                made.routine(session, timeout=60)
                break
            except Died:
                assert Routines(backend).claim("mortal", session, "another") is None  # its lease goes on
                age(backend, "routines", f"mortal:{session}")
    assert came_to(backend, "mortal", tmp_path) == calm
    assert len(deaths) == 5 * 2 * len(Step)
    assert all(one.fence > 2 * len(Step) for one in Routines(backend).history("mortal"))


def _let_every_step_die(monkeypatch: pytest.MonkeyPatch) -> set[tuple[Any, ...]]:
    """Each step of each session dies twice: before it begins, and when it is done but not yet written down."""
    deaths: set[tuple[Any, ...]] = set()

    def dying(step: Step, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(job: Any, routine: Any) -> Any:
            for when in ("before", "after"):
                result = real(job, routine) if when == "after" else None
                if (death := (job.session, step, when)) not in deaths:
                    deaths.add(death)
                    raise Died(str(death))
            return result

        return run

    def unhandled(*_: Any) -> Any:
        raise sys.exc_info()[1] or AssertionError

    for step, real in routine_module.STEPS.items():
        monkeypatch.setitem(routine_module.STEPS, step, dying(step, real))
    monkeypatch.setattr(routine_module, "_ended", unhandled)
    return deaths


def test_a_step_that_failed_is_tried_again_when_the_cause_is_repaired(
    backend: Backend, prices: Path, tmp_path: Path
) -> None:
    backend, cause = with_components(backend), tmp_path / "cause"
    model = {"class": "BrokenModel", "kwargs": {"while_there": str(cause)}}
    made = manager(backend, template(prices, "broken", model))
    made.first_train(timeout=60)
    cause.touch()
    with pytest.raises(RoundFailed, match="made to fail"):
        made.routine(UPTO, timeout=60)
    failed = Routines(backend).history("broken")[-1]
    assert (failed.session, failed.status, failed.next_step) == (LIVED[3], RoutineState.FAILED, Step.GATHER)
    assert "made to fail" in failed.reason
    assert SignalLedger(backend).last_day("broken") == LIVED[2]
    assert OnlineSets(backend.store).current("broken").version == 1  # what was online stays online
    cause.unlink()
    with pytest.raises(RoundFailed):  # the task itself was given up
        made.routine(UPTO, timeout=60)
    lost = [task.id for task in backend.tasks.find("broken") if task.status is TaskState.FAILED]
    backend.tasks.retry(lost, "me")
    backend.rounds.reopen("broken", lost)
    made.routine(UPTO, timeout=60)
    assert SignalLedger(backend).last_day("broken") == UPTO
    assert OnlineSets(backend.store).current("broken").version == 2


@pytest.mark.parametrize("end", [Waiting("rain"), DataError("no"), Unavailable("away"), Updated()], ids=repr)
def test_one_that_lost_its_lease_writes_nothing_and_raises_nothing(
    backend: Backend, prices: Path, monkeypatch: pytest.MonkeyPatch, end: Any
) -> None:
    manager(backend, template(prices, "slow"))

    def overtaken(job: Any, routine: Any) -> Any:
        age(backend, "routines", f"slow:{BEGIN}")
        assert Routines(backend).claim("slow", BEGIN, "thief")
        if isinstance(end, Exception):
            raise end
        return end

    monkeypatch.setitem(routine_module.STEPS, Step.UPDATE, overtaken)
    found = routine_module.bring_up_to(backend, "slow", BEGIN, "me")
    assert found
    assert (found.by, found.status, found.steps, found.waits_for) == ("thief", RoutineState.OPEN, Steps(), "")


@pytest.mark.parametrize("at", ["the routine", "a window", "the gathering"])
def test_who_is_interrupted_gives_back_what_it_holds(
    backend: Backend, prices: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Ctrl-C: the next one need not wait for a lease to run out."""
    made = manager(backend, template(prices, "stopped"))

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        place = {"the routine": publishing, "a window": training, "the gathering": verdict}[at]
        name = {"the routine": "publish_signals", "a window": "check_parts", "the gathering": "check_policy"}[at]
        for module in (place, jobs):
            if hasattr(module, name):
                broken.setattr(module, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            made.first_train(timeout=60)
    assert all(routine.waits_for for routine in Routines(backend).history("stopped"))
    assert not backend.tasks.find("stopped", status=[TaskState.RUNNING])
    assert not backend.rounds.find("stopped", [RoundState.GATHERING])
    assert Routines(backend).claim("stopped", BEGIN, "the next one")
