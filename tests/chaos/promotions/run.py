"""Promotions under kills: ``python -m tests.chaos.promotions.run``; exit code 1 if a set was ever partial or mixed.

Rounds are gathered, rollbacks made, challengers promoted, each by a process of its own. Most of these processes
are killed (SIGKILL): half of them at a named point of the promotion, half after a random time. Sometimes another
process changes what is online at the same time. A reader looks all the while.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rollq.local.stack import LocalStack
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.tool import OnlineTool
from rollq.service import THREADS
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings, load_settings, worker_environment
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from tests.chaos.promotions.made_rounds import CHALLENGERS, NOTES, POOL, STRATEGY, fault, make_round
from tests.chaos.promotions.promoter import BROKEN, BY_HAND, OF_A_ROUND, Promoters
from tests.chaos.scene import ROOT
from tests.pool_tasks import age

KILLS = 200
PATIENCE = 60.0
SHOWN = 50


@dataclass(frozen=True)
class Report:
    """What happened. ``wrong`` is empty if all is well."""

    seed: int
    seconds: float
    kills: int
    points: dict[str, int]  # where processes were killed
    operations: dict[str, int]
    rounds: int
    versions: int
    reads: int
    tool_reads: int
    wrong: tuple[str, ...]

    def table(self) -> str:
        """For a person."""
        rows: dict[str, object] = {"seed": self.seed, "seconds": f"{self.seconds:.0f}", "processes killed": self.kills}
        rows |= {f"killed {name}": number for name, number in sorted(self.points.items())}
        rows |= {f"operation: {name}": number for name, number in sorted(self.operations.items())}
        rows |= {"rounds": self.rounds, "versions": self.versions}
        rows |= {"looks at the ledger": self.reads, "looks through OnlineTool": self.tool_reads}
        rows |= {"violations": len(self.wrong)}
        return "\n".join(f"{name:28} {value:>8}" for name, value in rows.items())


@dataclass
class Run:
    """One run: who acts, by what chance, and what has happened so far."""

    backend: Backend
    promoters: Promoters
    chance: random.Random
    wanted: int  # kills
    took: list[float] = field(default_factory=lambda: [0.3])  # seconds that operations took which nobody disturbed
    points: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    rounds: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """So far."""
        return sum(self.points.values())

    def go(self) -> None:
        """Until there were enough kills."""
        while self.kills < self.wanted:
            what = self.chance.choice(("round", "round", "by hand")) if self.rounds else "round"
            if what == "round":
                self._round()
                self._check_tags()
            else:  # what it has left behind, the next one who is left in peace puts right
                self._killed(self._by_hand(), BY_HAND)

    def _round(self) -> None:
        """A round whose gatherers die one after the other, until one is left in peace."""
        self.rounds.append(make_round(self.backend, len(self.rounds), self.chance))
        order = {"do": "gather", "round": self.rounds[-1], "strategy": STRATEGY}
        for _ in range(self.chance.randint(1, 3)):
            self._killed(order, OF_A_ROUND, rival=len(self.rounds) > 1 and self.chance.random() < 0.25)
            age(self.backend, "rounds", self.rounds[-1])
        self._calm(order)
        found = self.backend.rounds.get(self.rounds[-1])
        if found.status is not RoundState.GATHERED:
            self.wrong.append(f"round {found.id} is {found.status}: {found.reason}")

    def _by_hand(self) -> dict[str, object]:
        """A rollback or a promotion, of what is online now."""
        current = OnlineSets(self.backend.store).current(STRATEGY)
        if self.chance.random() < 0.5:
            to = self.chance.randint(1, current.version)
            return {"do": "roll back", "strategy": STRATEGY, "to": to}
        others = sorted({BASE, *CHALLENGERS} - {current.champion})
        return {"do": "promote", "strategy": STRATEGY, "challenger": self.chance.choice(others)}

    def _killed(self, order: dict[str, object], points: tuple[str, ...], rival: bool = False) -> None:
        """An operation that is killed, at a point or whenever; ``rival``: while another process changes something."""
        self.operations[f"{order['do']}"] += 1
        at = self.chance.choice(points) if self.chance.random() < 0.5 else None
        pid = self.promoters.begin(**order, die=at)
        other = self.promoters.begin(**self._by_hand()) if rival else None
        if at is None:
            time.sleep(self.chance.uniform(0.0, 1.1 * sorted(self.took)[len(self.took) // 2]))
            os.kill(pid, signal.SIGKILL)  # if it has ended, it has not been waited for: the pid is still its own
        code = self.promoters.wait(pid)
        if code == -signal.SIGKILL:
            self.points[at or "at a random time"] += 1
        self._judge(order, code)
        if other:
            self.operations["by a rival"] += 1
            self._judge({"do": "rival"}, self.promoters.wait(other))

    def _calm(self, order: dict[str, object]) -> None:
        """An operation that nobody disturbs."""
        self.operations[f"{order['do']}"] += 1
        begun = time.monotonic()
        self._judge(order, self.promoters.wait(self.promoters.begin(**order)))
        self.took.append(time.monotonic() - begun)

    def _judge(self, order: dict[str, object], code: int) -> None:
        if code == BROKEN:
            self.wrong.append(f"{order} broke: see {self.promoters.log}")

    def _check_tags(self) -> None:
        """After an operation that was not disturbed, the tags in MLflow are those of the set that serves."""
        current = OnlineSets(self.backend.store).current(STRATEGY)
        experiment = MLflowExperiment.open(POOL, self.backend.settings.mlflow_uri)
        tagged = f"tags.`{OnlineTool.ONLINE_KEY}` = '{OnlineTool.ONLINE_TAG}'"
        found = {recorder.id for recorder in experiment.iter_recorders(tagged)}
        if found != (serving := {model.recorder_id for model in current.models}):
            more, fewer = len(found - serving), len(serving - found)
            self.wrong.append(f"at version {current.version} {more} runs too many are tagged online, {fewer} too few")


def run(settings: Settings, seed: int, kills: int) -> Report:
    """Kill so many processes; the same seed does the same things, as far as what was killed leaves them to be done.

    Args:
        settings: of a fresh database.
    """
    begun = time.monotonic()
    backend = Backend.of(settings)
    backend.prepare()
    OnlineSets(backend.store).ensure_indexes()
    stop = settings.state_dir / f"stop-{settings.mongo_database}"
    reader = _start_reader(settings, stop)
    try:
        with Promoters(settings) as promoters:
            acted = Run(backend, promoters, random.Random(seed), kills)
            acted.go()
    finally:
        stop.touch()
        said, trouble = reader.communicate(timeout=PATIENCE)
    seen = (
        json.loads(said) if reader.returncode == 0 else {"reads": 0, "tool_reads": 0, "version": 0, "wrong": [trouble]}
    )
    wrong = acted.wrong + seen["wrong"] + _in_the_end(backend, acted.rounds, seen["version"])
    versions = OnlineSets(backend.store).current(STRATEGY).version
    backend.store.close()
    backend.app.close()
    return Report(
        seed,
        time.monotonic() - begun,
        acted.kills,
        dict(acted.points),
        dict(acted.operations),
        len(acted.rounds),
        versions,
        seen["reads"],
        seen["tool_reads"],
        tuple(wrong),
    )


def _start_reader(settings: Settings, stop: Path) -> subprocess.Popen[str]:
    environment = {**worker_environment(settings), **THREADS, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.chaos.promotions.set_reader", str(stop)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _in_the_end(backend: Backend, rounds: list[str], last_seen: int) -> list[str]:
    """What is wrong with the ledger as a whole, and with what the reader has seen of it."""
    sets = OnlineSets(backend.store)
    history = sets.history(STRATEGY)
    notes = {found["_id"]: found["variants"] for found in backend.store.collection(NOTES).find()}
    wrong = [why for online in history if (why := fault(online, notes.get(online.round_id)))]
    if [online.version for online in history] != list(range(1, len(history) + 1)):
        wrong.append(f"the versions are {[online.version for online in history]}")
    if history[-1].version != last_seen:
        wrong.append(f"the reader saw version {last_seen} last, the ledger ends with {history[-1].version}")
    for ident in rounds:
        made, result = sets.of_round(ident), backend.rounds.get(ident).result or {}
        if made is None and not result.get("superseded"):
            wrong.append(f"round {ident} has no set, and nothing came before it")
        if made and result.get("version") != made.version:
            wrong.append(f"round {ident} made version {made.version}, it says {result}")
    return wrong


def run_alone(seed: int, kills: int) -> Report:
    """As ``run``, on servers of its own."""
    with tempfile.TemporaryDirectory(prefix="rollq-promotions-") as folder, LocalStack(Path(folder)) as stack:
        assert stack.runtime
        settings = stack.runtime.settings(load_settings(state_dir=Path(folder), log_level="WARNING"))
        return run(settings, seed, kills)


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.promotions.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="order of what happens")
    parser.add_argument("--kills", type=int, default=KILLS)
    given = parser.parse_args()
    report = run_alone(given.seed, given.kills)
    print("\n".join(["promotions under kills", report.table(), *report.wrong[:SHOWN]]), flush=True)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
