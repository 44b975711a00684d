"""Who holds a round or a routine and is stopped, or cut off from the store, beyond the lease writes nothing any more.

Another process takes over meanwhile. What is in the store and in MLflow then is the same after the first one went on.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rollq import Backend, MLflowExperiment
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.rounds.coordinator import gather
from rollq.scheduler.routine.ledger import Routines, RoutineState
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.tasks.config.settings import Settings, worker_environment
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from tests.acceptance.processes.line import Line
from tests.acceptance.processes.stopping_holder import HERE
from tests.acceptance.processes.worker_processes import wait_until
from tests.chaos.promotions.made_rounds import POOL, STRATEGY, make_round
from tests.online_strategies import LIVED, manager, template, write_prices

ROOT = Path(__file__).parents[2]
NAME = "stopped"
SEED = 3  # of a round that is not the daily routine's

OF_A_ROUND = {
    "before its signals have a run": "before rollq.scheduler.rounds.gathering:write_run",
    "before its signals are in the run": "before rollq.scheduler.rounds.gathering:write_signals",
    "before the switch": "before rollq.scheduler.online.ledger:OnlineSets._latest_version",
    "after the switch": "after rollq.scheduler.online.ledger:OnlineSets._insert",
}
OF_A_ROUTINE = {
    "before predictions are asked for": "before rollq.scheduler.updates.prediction_tasks:missing",
    "before the round is opened": "after rollq.tasks.queue.creation:TaskCreator.create_tasks",
    "before the models are shown": "before rollq.scheduler.champions.promotion:by_rule",
    "before signals are written": "before rollq.scheduler.signals.publication:covered",
    "before signals are published": "before rollq.scheduler.signals.ledger:write_signals",
}


@contextmanager
def holder(settings: Settings, log: Path, **order: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with an order (``stopping_holder``); killed at the end if it is still there."""
    environment = {**worker_environment(settings), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.acceptance.processes.stopping_holder", json.dumps(order)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_stop(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the process has sent itself SIGSTOP."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), log.read_text()


def written(backend: Backend, pool: str) -> dict[str, Any]:
    """All that is in the database, and in the runs of an experiment."""
    store = backend.store
    names = ("tasks", "rounds", "routines", "online_sets", "signals", "predictions", "strategies", "backfills")
    documents = {name: sorted(store.collection(name).find(), key=lambda one: str(one["_id"])) for name in names}
    runs = {
        run.id: (run.status, run.list_tags(), run.list_metrics(), run.checksums(), files_of(run))
        for run in MLflowExperiment.open(pool, backend.settings.mlflow_uri).iter_recorders()
    }
    return {**documents, "runs": runs}


def files_of(run: MLflowRecorder) -> list[str]:
    """The artifacts of a run, also those that no manifest names."""
    folder = run.storage.local
    return sorted(str(path) for path in folder.rglob("*")) if folder else []


def opened(backend: Backend) -> str:
    """A round whose tasks are finished; its coordinator writes the signals."""
    round_id = make_round(backend, 1, random.Random(SEED))
    assert not backend.rounds.get(round_id).purpose.session
    return round_id


def gathered_by_another(backend: Backend, round_id: str) -> dict[str, Any]:
    """Another coordinator gathers the round once the lease of the first one is over; returns what is there then."""
    wait_until(lambda: backend.rounds.abandoned() == [round_id])
    assert gather(backend, round_id, "another")
    found = backend.rounds.get(round_id)
    assert (found.status, found.fence) == (RoundState.GATHERED, 2)
    return written(backend, POOL)


@pytest.mark.parametrize("point", OF_A_ROUND.values(), ids=OF_A_ROUND)
def test_a_coordinator_that_was_stopped_writes_nothing(backend: Backend, tmp_path: Path, point: str) -> None:
    round_id, log = opened(backend), tmp_path / "log"
    with holder(backend.settings, log, round=round_id, point=point) as stopped:
        wait_for_stop(stopped, log)
        before = gathered_by_another(backend, round_id)
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait(60) == 0
    assert "gathering ends here" in log.read_text()
    assert written(backend, POOL) == before
    assert [one.round_id for one in OnlineSets(backend.store).history(STRATEGY)] == [round_id]


def test_a_round_that_is_given_up_while_it_is_gathered_puts_nothing_online(backend: Backend, tmp_path: Path) -> None:
    patient = backend.settings.model_copy(update={"lease_seconds": 60.0})
    round_id, log = opened(backend), tmp_path / "log"
    with holder(patient, log, round=round_id, point=OF_A_ROUND["before the switch"]) as stopped:
        wait_for_stop(stopped, log)
        backend.rounds.give_up([round_id], "planned anew")
        stopped.send_signal(signal.SIGCONT)  # its lease goes on by its own clock: the store knows better
        assert stopped.wait(60) == 0
    assert "gathering ends here" in log.read_text()
    assert OnlineSets(backend.store).history(STRATEGY) == []
    assert backend.rounds.get(round_id).reason == "planned anew"


def test_a_coordinator_that_is_cut_off_ends_by_its_own_clock(backend: Backend, tmp_path: Path) -> None:
    round_id, log, gate = opened(backend), tmp_path / "log", tmp_path / "gate"
    with Line(backend.settings.mongo_uri or "") as line:
        settings = backend.settings.model_copy(update={"mongo_uri": line.uri})
        point = OF_A_ROUND["before its signals have a run"]
        with holder(settings, log, round=round_id, point=point, gate=str(gate)) as cut_off:
            wait_until(lambda: gate.with_name(f"gate.{HERE}").exists())
            line.cut()
            before = gathered_by_another(backend, round_id)
            gate.touch()
            assert cut_off.wait(60) == 0
    assert f"The lease on round {round_id} ran out" in log.read_text()
    assert written(backend, POOL) == before
    runs = MLflowExperiment.open(POOL, backend.settings.mlflow_uri).iter_recorders()
    assert [run.status for run in runs if run.list_tags().get("rollq.round") == round_id] == ["FINISHED"]


@pytest.mark.parametrize("point", OF_A_ROUTINE.values(), ids=OF_A_ROUTINE)
def test_a_routine_that_was_stopped_writes_nothing(backend: Backend, tmp_path: Path, point: str) -> None:
    prices, log = write_prices(tmp_path / "prices.parquet"), tmp_path / "log"
    online, session = manager(backend, template(prices, NAME)), LIVED[0]
    if "updates" in point:  # there are models that predict from the second session on
        online.routine(session, timeout=60)
        session = LIVED[1]
    with holder(backend.settings, log, name=NAME, prices=str(prices), session=session, point=point) as stopped:
        wait_for_stop(stopped, log)
        wait_until(lambda: [one.session for one in Routines(backend).unfinished(3600.0)] == [session])
        online.routine(session, timeout=60)
        (done,) = [one for one in Routines(backend).history(NAME) if one.session == session]
        assert done.status is RoutineState.DONE
        before = written(backend, NAME)
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait(60) == 0
    assert "the routine ends here" in log.read_text()
    assert written(backend, NAME) == before
    assert [one.session for one in SignalLedger(backend).entries(NAME)] == LIVED[: LIVED.index(session) + 1]
