"""One of two hosts is cut off for longer than its lease while it trains, then joined again.

Host a runs two workers: an honest one, which stops by itself when its lease has run out, and a deaf one, which trains
to the end and tries to commit. Host b runs one. The servers are on a third machine. Nobody's training ends before the
cut is over (``gated_model``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rollq.enqueueing import plan_template
from rollq.scheduler.rounds.trainers import Trainer
from rollq.scheduler.strategies.plan import Plan
from rollq.tasks.backend import Backend
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.recorder import SUPERSEDED, MLflowRecorder
from tests.chaos.calm import PREDICTIONS, train_calmly
from tests.chaos.checker import violations
from tests.chaos.hosts.machines import ROOT, Hosts
from tests.chaos.hosts.network import Cut

POOL, AFTER = "hosts", "after"
LEASE = 3.0
WINDOWS = 5  # more than there are workers
DEAF = Path(__file__).with_name("deaf_worker.py")
PATIENCE = 120.0


@dataclass(frozen=True)
class Report:
    """What happened. ``wrong`` is empty if all is well."""

    how: Cut
    seconds: float
    cut_seconds: float
    tasks: int
    attempts: int
    losses: int
    gave_up: int
    refused: int
    wrong: tuple[str, ...]

    def table(self) -> str:
        """For a person."""
        rows = {
            "host cut off": self.how,
            "seconds": f"{self.seconds:.0f}",
            "seconds cut off": f"{self.cut_seconds:.1f}",
            "lease, seconds": f"{LEASE:.1f}",
            "windows": self.tasks,
            "attempts": self.attempts,
            "workers lost": self.losses,
            "gave up by themselves": self.gave_up,
            "stale commits refused": self.refused,
            "violations": len(self.wrong),
        }
        return "\n".join(f"{name:26} {value:>9}" for name, value in rows.items())


def run(folder: Path, how: Cut) -> Report:
    """The whole story; ``folder`` holds a folder of each machine."""
    begun = time.monotonic()
    with Hosts(folder, LEASE) as hosts:
        gate = folder / "gate"
        plan = _plan(hosts, gate)
        gate.touch()
        calm = train_calmly(plan, folder / "calm")  # while the servers start
        gate.unlink()
        hosts.wait_ready()
        backend = Backend.of(hosts.settings("driver"))
        backend.prepare()
        for name, script in (("honest", ()), ("deaf", (str(DEAF),))):
            hosts.hire("a", name, *script)
        other = hosts.hire("b", "other")
        trained = Trainer(POOL, backend=backend).open_round(plan.definitions, plan.purpose)
        stale = _wait_for(lambda: _training_on_a(backend))

        hosts.network.cut_off("a", how)
        cut = time.monotonic()
        _wait_for(lambda: all(_was_lost(backend, task) for task in stale))
        gave_up = _wait_for(lambda: hosts.log("a", "honest").count("is given up"))
        time.sleep(max(0.0, cut + 2 * LEASE - time.monotonic()))
        gate.touch()
        hosts.network.join("a")
        cut_seconds = time.monotonic() - cut

        online = Trainer(POOL, backend=backend).wait(trained, timeout=PATIENCE)
        truths = dict(zip(trained.created.ids, calm.windows, strict=True))
        wrong = _settled(lambda: _wrong_runs(backend))
        found = backend.tasks.find(POOL, definitions=True)
        wrong += violations(found, set(truths), lambda task: truths[task.id], _predicted)
        wrong += [] if online.signals.sha256 == calm.signals else ["the signals are not those of a calm run"]
        wrong += [f"{task.id} was not taken from host a" for task in stale if _holder(backend, task) == task.worker]
        refused = _wait_for(lambda: _refused(hosts, stale))
        other.stop()
        wrong += _settled(lambda: _works_again(backend, plan))
        backend.store.close()
        backend.app.close()
    attempts, losses = sum(task.attempts for task in found), sum(task.losses for task in found)
    seconds = time.monotonic() - begun
    return Report(how, seconds, cut_seconds, len(found), attempts, losses, gave_up, refused, tuple(wrong))


def _plan(hosts: Hosts, gate: Path) -> Plan:
    plan = plan_template(ROOT / "examples" / "sp500" / "small.yaml", hosts.settings("driver"))
    windows = plan.definitions[:WINDOWS]
    for task in windows:
        task["model"]["class"] = "GatedModel"
        task["model"]["kwargs"]["gate"] = str(gate)
    last = windows[-1]["dataset"]["kwargs"]["segments"]["test"][1]
    return replace(plan, definitions=windows, sessions=tuple(day for day in plan.sessions if day <= last))


def _training_on_a(backend: Backend) -> list[Task]:
    """The tasks that both workers of host a train, once each has a run in MLflow."""
    running = [task for task in backend.tasks.find(POOL, status=[TaskState.RUNNING]) if _is_on_a(task.worker)]
    if len(running) < 2:
        return []
    begun = {recorder.tags["rollq.task"] for recorder in _runs(backend)}
    return running if {task.id for task in running} <= begun else []


def _is_on_a(worker: str | None) -> bool:
    return str(worker).startswith("a/")


def _was_lost(backend: Backend, task: Task) -> bool:
    return any("was lost" in step.why for step in backend.tasks.get(task.id).history)


def _holder(backend: Backend, task: Task) -> str:
    """Who committed a task under the fence that ``task`` had; empty: nobody did."""
    steps = backend.tasks.get(task.id).history
    return next((step.by for step in steps if step.end is TaskState.DONE and step.fence == task.fence), "")


def _runs(backend: Backend) -> list[MLflowRecorder]:
    experiment = MLflowExperiment.open(POOL, backend.settings.mlflow_uri)
    return [recorder for recorder in experiment.iter_recorders() if "rollq.task" in recorder.tags]


def _wrong_runs(backend: Backend) -> list[str]:
    """The run of a committed result is FINISHED; all others are FAILED and say by whom they were superseded."""
    kept = {(task.result or {}).get("recorder_id") for task in backend.tasks.find(POOL)}
    wrong = []
    for recorder in _runs(backend):
        expected = "FINISHED" if recorder.id in kept else "FAILED"
        if recorder.status != expected:
            wrong.append(f"run {recorder.id} is {recorder.status}, not {expected}")
        if recorder.id not in kept and SUPERSEDED not in recorder.tags:
            wrong.append(f"run {recorder.id} does not say why it failed")
    return wrong


def _refused(hosts: Hosts, stale: list[Task]) -> int:
    """How many of the stale claims tried to write their result and were refused."""
    words = hosts.log("a", "deaf")
    return sum(f"refused: task {task.id}, fence {task.fence}" in words for task in stale)


def _works_again(backend: Backend, plan: Plan) -> list[str]:
    """With host b stopped, host a does new work."""
    ids = backend.tasks.create_tasks(AFTER, plan.definitions[:2]).ids
    backend.notifier.top_up(AFTER)
    tasks = backend.tasks.find(ids=ids)
    return [f"host a did not do {task.id} after it was joined" for task in tasks if task.status is not TaskState.DONE]


def _predicted(task: Task) -> str:
    return str((task.result or {}).get("artifacts", {}).get(PREDICTIONS))


def _wait_for(happens: Callable[[], Any]) -> Any:
    """What ``happens`` returns once it is something."""
    end = time.monotonic() + PATIENCE
    while not (found := happens()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return found


def _settled(wrong: Callable[[], list[str]]) -> list[str]:
    """What is still wrong after a while; at once if nothing is."""
    end = time.monotonic() + PATIENCE
    while (found := wrong()) and time.monotonic() < end:
        time.sleep(0.2)
    return found
