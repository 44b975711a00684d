"""Ten sessions of the daily routine: two real beats on a fast clock, real workers, of which one is killed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from rollq import Backend, MLflowExperiment, OnlineManager, RollingStrategy, Settings, TaskState, load_template
from rollq.scheduler.rounds.trainers import Trainer
from rollq.scheduler.routine.ledger import Routine, Routines, RoutineState
from rollq.scheduler.signals.files import write_signals
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.updates.prediction_tasks import prediction_pool
from rollq.tasks.config.settings import worker_environment
from rollq.tasks.definition import segments_of
from rollq.tasks.queue.task import Task
from rollq.trainers import TrainerR
from tests.acceptance.processes.fast_beat import FastClock
from tests.acceptance.processes.worker_processes import children, kill, wait_until, worker
from tests.conftest import EXAMPLES

NEW_YORK = ZoneInfo("America/New_York")
# Two weeks of five sessions; on the Sunday between them the clocks of New York are set back.
SESSIONS = ["2019-10-28", "2019-10-29", "2019-10-30", "2019-10-31", "2019-11-01"]
SESSIONS += ["2019-11-04", "2019-11-05", "2019-11-06", "2019-11-07", "2019-11-08"]
BEGIN, END = SESSIONS[0], SESSIONS[-1]
DAY_SECONDS = 1.25
TEMPLATE = f"""
name: daily
model: {{class: LGBModel, kwargs: {{num_boost_round: 5, min_data_in_leaf: 20}}}}
dataset:
  class: PanelDataset
  kwargs:
    path: prices.parquet
    features: [{{op: momentum, windows: [5, 20]}}, {{op: volatility, windows: [5, 20]}}]
    label: {{op: forward_return, horizon: 5, start: 1}}
    segments: {{train: [2018-07-02, 2019-06-28], valid: [2019-07-01, 2019-10-04], test: [2019-10-21, null]}}
record: [{{class: SignalRecord}}, {{class: SignalAnalysisRecord}}]
rolling: {{kwargs: {{step: 5, rtype: sliding, trunc_days: 7, purge: 6}}}}
online:
  begin: {BEGIN}
  at: "18:30"
  timezone: America/New_York
  challengers:
    - name: ridge
      model: {{class: RidgeModel, kwargs: {{alpha: 1.0}}}}
"""


def manager(backend: Backend, folder: Path, pool: str, trainer: Any) -> OnlineManager:
    path = folder / "daily.yaml"
    path.write_text(TEMPLATE)
    if not (prices := folder / "prices.parquet").exists():  # they end with the ten sessions; the clock goes on
        known = pd.read_parquet(EXAMPLES / "prices_small.parquet")
        known[known["datetime"] <= END].to_parquet(prices)
    strategy = RollingStrategy.of_template(load_template(path, backend.settings), backend.settings, pool=pool)
    return OnlineManager([strategy], trainer, backend=backend, name=pool)


@contextlib.contextmanager
def two_beats(settings: Settings, clock: FastClock) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {**worker_environment(settings), **clock.environment(), "PYTHONPATH": str(EXAMPLES.parents[1])}
    command = [sys.executable, "-m", "tests.acceptance.processes.fast_beat"]
    with (settings.state_dir / "beat.log").open("ab") as log:
        beats = [subprocess.Popen(command, env=environment, stdout=log, stderr=log) for _ in range(2)]
    try:
        yield beats
    finally:
        for beat in beats:
            beat.send_signal(signal.SIGTERM)
        for beat in beats:
            beat.wait(20)


def done(backend: Backend) -> list[str]:
    return [one.session for one in Routines(backend).history("daily") if one.status is RoutineState.DONE]


def kill_a_worker(backend: Backend, workers: list[subprocess.Popen[bytes]]) -> tuple[int, str]:
    """SIGKILL a whole worker while it holds a routine; returns which one, and the session."""
    collection, found = backend.store.collection("routines"), []

    def held() -> bool:
        found[:] = collection.find({"lease": {"$ne": None}}, {"by": 1, "session": 1})
        return bool(found)

    wait_until(held, pause=0.002)
    pid = int(found[0]["by"].rpartition("/")[2])
    (victim,) = (number for number, one in enumerate(workers) if one.pid == pid)
    for doomed in [*children(workers[victim]), pid]:
        kill(doomed)
    return victim, str(found[0]["session"])


def kill_a_process(backend: Backend, live_worker: subprocess.Popen[bytes]) -> None:
    """SIGKILL a pool process while it runs a task, if one does soon; any of them in the end."""
    with contextlib.suppress(AssertionError, IndexError):
        wait_until(lambda: bool(backend.tasks.find(status=[TaskState.RUNNING])), 3.0, pause=0.002)
        name = str(backend.tasks.find(status=[TaskState.RUNNING])[0].worker)
        if name.split("/")[1] == str(live_worker.pid):
            return kill(int(name.rpartition("/")[2]))
    return kill(children(live_worker)[0])


def signals(backend: Backend, folder: Path) -> bytes:
    path = folder / "signals.parquet"
    write_signals(SignalLedger(backend).read("daily"), path)
    return path.read_bytes()


def predicted(tasks: list[Task]) -> Counter[tuple[str, str]]:
    """How often each model was asked for each day."""
    count: Counter[tuple[str, str]] = Counter()
    for task in tasks:
        start, end = segments_of(task.definition)["test"]
        recorder = task.definition["predict"]["recorder_id"]
        count.update((recorder, day) for day in SESSIONS if start <= day <= str(end))
    return count


def test_ten_sessions_with_two_beats_and_a_killed_worker(backend: Backend, tmp_path: Path) -> None:
    online = manager(backend, tmp_path, "daily", Trainer)
    begin = datetime.fromisoformat(f"{BEGIN}T12:00").replace(tzinfo=NEW_YORK)
    log = tmp_path / "worker.log"
    with worker(backend.settings, 1, log=log) as first, worker(backend.settings, 1, log=log) as second:
        workers = [first, second]
        wait_until(lambda: len(backend.worker_registry.workers()) == 2)
        (tmp_path / "clock").mkdir()
        clock = FastClock(tmp_path / "clock", begin, DAY_SECONDS)
        with two_beats(backend.settings, clock) as beats:
            wait_until(lambda: clock.readers() == 2)
            time.sleep(1.0)
            assert Routines(backend).history() == [], "it is noon"
            clock.start()
            wait_until(lambda: len(done(backend)) >= 3)
            killed, session = kill_a_worker(backend, workers)
            survivor = workers[1 - killed]
            wait_until(lambda: len(done(backend)) >= 6)
            kill_a_process(backend, survivor)
            wait_until(lambda: len(done(backend)) == 10)
            assert [beat.poll() for beat in beats] == [None, None]
        runs = MLflowExperiment.open("daily", backend.settings.mlflow_uri)
        wait_until(lambda: not [one for one in runs.iter_recorders() if one.status == "RUNNING"])
        assert survivor.poll() is None
    check_routines(Routines(backend).history("daily"), clock)
    assert Routines(backend).open("daily", session).by.endswith(f"/{survivor.pid}"), "it went on where the other died"
    check_entries(backend)
    check_tasks(backend)
    check_against_calm(backend, online, tmp_path)


def check_routines(found: list[Routine], clock: FastClock) -> None:
    """Every session once, in order, none before its time of day in New York; weekends have none."""
    assert [one.session for one in found] == SESSIONS
    assert {date.fromisoformat(one.session).weekday() for one in found} == {0, 1, 2, 3, 4}
    finished = [one.finished_at for one in found]
    assert all(finished)
    assert finished == sorted(finished)  # type: ignore[type-var]
    for one in found:
        due = datetime.fromisoformat(f"{one.session}T18:30").replace(tzinfo=NEW_YORK)
        assert clock.at(one.created_at.timestamp()) >= due, f"{one.session} began too early"


def check_entries(backend: Backend) -> None:
    """Every session has exactly one entry of signals; the first one also says what was before."""
    entries = SignalLedger(backend).entries("daily")
    assert [entry.session for entry in entries] == SESSIONS
    days = [day for entry in entries for day in entry.days]
    assert len(days) == len(set(days)) == 15
    assert [list(entry.days) for entry in entries[1:]] == [[day] for day in SESSIONS[1:]]
    assert all(entry.gaps == () for entry in entries)


def check_tasks(backend: Backend) -> None:
    """Nothing was trained or predicted twice, and no run of a killed process counts."""
    trained = backend.tasks.find("daily", definitions=True)
    tests = Counter((task.definition.get("variant"), *segments_of(task.definition)["test"]) for task in trained)
    assert len(tests) == len(trained) == 2 * 3  # two variants; windows from 10-21, 10-28 and 11-04
    asked = backend.tasks.find(prediction_pool("daily"), definitions=True)
    assert set(predicted(asked).values()) == {1}
    assert len(predicted(asked)) == 2 * 9  # all sessions but the first, which the models said when they were trained
    for task in [*trained, *asked]:
        assert task.status is TaskState.DONE
        assert sum(step.end is TaskState.DONE for step in task.history) == 1
    kept = {str((task.result or {})["recorder_id"]) for task in trained}
    runs = MLflowExperiment.open("daily", backend.settings.mlflow_uri).iter_recorders()
    finished = {one.id for one in runs if one.status == "FINISHED" and "rollq.task" in one.tags}
    assert finished == kept


def check_against_calm(backend: Backend, online: OnlineManager, folder: Path) -> None:
    """The same as a simulation over the same sessions in this process, without workers, beats and kills."""
    other = Backend.of(backend.settings.model_copy(update={"mongo_database": f"{backend.settings.mongo_database}calm"}))
    other.prepare()
    try:
        calm = manager(other, folder, "daily-calm", TrainerR)
        calm.simulate(END)
        assert online.online_history() == calm.online_history()
        assert signals(backend, folder) == signals(other, folder)
    finally:
        other.store.close()
        other.app.close()
