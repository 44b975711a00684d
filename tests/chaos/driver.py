"""One chaos run: tasks, workers, faults in an order that a seed decides, and what the checker says in the end."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rollq.tasks.backend import Backend
from rollq.tasks.errors import Unavailable
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task
from tests.chaos.checker import violations
from tests.chaos.job import definition, digest, predict
from tests.chaos.journal import Journal, What, contradictions
from tests.chaos.scene import LEASE, POOL, Scene

STALL_SECONDS = 20.0  # without progress for this long, the next fault comes all the same
OTHERS = ("flush_broker", "restart_broker", "restart_store", "pause_worker", "double_messages", "orphan_messages")
KILLED_AT_ONCE = 3  # processes of a worker
LONG_EVERY, LONG_SECONDS = 100, LEASE * 0.8  # one task in so many lasts this long: its lease has to be renewed


@dataclass(frozen=True)
class Report:
    """What happened in a run. ``wrong`` is empty if all is well."""

    seed: int
    tasks: int
    kills: int
    seconds: float
    faults: dict[str, int]
    attempts: int
    losses: int
    seen: dict[What, int]  # what the workers wrote into their journal
    wrong: tuple[str, ...]

    def table(self) -> str:
        """For a person."""
        rows = {
            "seed": self.seed,
            "tasks": self.tasks,
            "processes killed": self.kills,
            "seconds": f"{self.seconds:.0f}",
        }
        rows |= {f"fault: {name}": number for name, number in sorted(self.faults.items())}
        rows |= {"attempts": self.attempts, "workers lost": self.losses}
        rows |= {
            "results acknowledged": self.seen[What.COMMITTED],
            "leases renewed": self.seen[What.RENEWED],
            "stale commits refused": self.seen[What.COMMIT_REFUSED],
            "stale renewals refused": self.seen[What.RENEWAL_REFUSED],
            "messages sent tenfold": self.seen[What.DOUBLED],
            "workers that began anew": self.seen[What.BEGAN_ANEW],
        }
        rows |= {"violations": len(self.wrong)}
        return "\n".join(f"{name:26} {value:>8}" for name, value in rows.items())


def run(folder: Path, seed: int, tasks: int, kills: int, seconds: float = 0.05) -> Report:
    """Let workers do ``tasks`` tasks of about ``seconds`` each while ``kills`` processes are killed, and more.

    The same seed makes the same tasks and the same faults in the same order; when they strike is the machine's affair.
    """
    chance = random.Random(seed)
    begun = time.monotonic()
    faults: Counter[str] = Counter()
    killed = 0
    with Scene(folder) as scene:
        backend = Backend.of(scene.settings)
        backend.prepare()
        lengths = [LONG_SECONDS if number % LONG_EVERY == 0 else seconds for number in range(tasks)]
        definitions = [definition(number, length) for number, length in enumerate(lengths)]
        ids = backend.tasks.create_tasks(POOL, definitions).ids
        backend.notifier.top_up(POOL)
        plan = _plan(chance, kills)
        for position, fault in enumerate(plan):
            _wait_for(backend, int(position / len(plan) * tasks * 0.95))
            scene.call_the_roll()
            killed += getattr(scene, fault)(chance)
            faults[fault] += 1
        while killed < kills:  # a child that had died already does not count
            killed += scene.kill_child(chance)
            time.sleep(0.2)
        _wait_for(backend, tasks, give_up=120.0)
        found = _found(backend)
        backend.store.close()
        backend.app.close()
    entries = Journal(folder / "journal").read()
    # The calm serial run: the same work in this process, without a wait, a queue or a fault.
    truths = {ident: digest(predict(task)) for ident, task in zip(ids, definitions, strict=True)}
    wrong = violations(found, set(ids), lambda task: truths[task.id])
    wrong += contradictions(entries, found) + scene.deserters
    return Report(
        seed,
        tasks,
        killed,
        time.monotonic() - begun,
        dict(faults),
        sum(task.attempts for task in found),
        sum(task.losses for task in found),
        Counter(entry.what for entry in entries),
        tuple(wrong),
    )


def _plan(chance: random.Random, kills: int) -> list[str]:
    """Faults in their order: a fifth of the kills hit whole workers; every other kind comes at least once."""
    whole = max(kills // 5 // KILLED_AT_ONCE, 1)
    plan = ["kill_worker"] * whole + ["kill_child"] * max(kills - whole * KILLED_AT_ONCE, 0)
    plan += [name for name in OTHERS for _ in range(max(kills // 100, 1))]
    chance.shuffle(plan)
    return plan


def _wait_for(backend: Backend, done: int, give_up: float = STALL_SECONDS) -> None:
    last, since = -1, time.monotonic()
    while time.monotonic() - since < give_up:
        now = _done(backend)
        if now >= done:
            return
        if now > last:
            last, since = now, time.monotonic()
        time.sleep(0.1)


def _done(backend: Backend) -> int:
    try:
        return backend.tasks.stat(POOL)[TaskState.DONE]
    except Unavailable:
        return -1


def _found(backend: Backend) -> list[Task]:
    return backend.tasks.find(POOL, definitions=True)
