"""Processes that change what is online, and that may die of it: one mother that has imported everything, and forks.

It speaks JSON lines. ``{"begin": {...}}`` forks a process for an operation and answers its pid; ``{"wait": pid}``
answers how it ended: its exit code, or minus the number of the signal that killed it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

from rollq.scheduler.champions import promotion as champions
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.tool import OnlineTool
from rollq.scheduler.rounds.coordinator import gather
from rollq.service import THREADS
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings, current_settings, worker_environment
from rollq.tasks.errors import NotFound, StateError
from rollq.tasks.rounds.rounds import Rounds
from tests.chaos.scene import ROOT

WARM_UP = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store", "pyarrow.parquet")
REFUSED, BROKEN = 2, 1  # exit codes: it said no, and is right; it should not have ended like this
# Where a process dies if it is told to: in the order in which it comes there.
POINTS: dict[str, tuple[type, str, str]] = {
    "set is ready": (OnlineSets, "publish", "before"),
    "before the switch": (OnlineSets, "_insert", "before"),
    "after the switch": (OnlineSets, "_insert", "after"),
    "before the tags": (OnlineTool, "sync", "before"),
    "between the tags": (OnlineTool, "set_online_tag", "after"),
    "after the tags": (OnlineTool, "sync", "after"),
    "before the round ends": (Rounds, "finish", "before"),
    "after the round ended": (Rounds, "finish", "after"),
}
OF_A_ROUND = tuple(POINTS)
BY_HAND = OF_A_ROUND[1:6]  # a rollback and a promotion have no round


def die_at(name: str) -> None:
    """Let this process be killed (SIGKILL) at a point."""
    owner, method, when = POINTS[name]
    original = getattr(owner, method)

    def dying(self: Any, *args: Any, **kwargs: Any) -> Any:
        if when == "after":
            original(self, *args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, method, dying)


def operate(backend: Backend, order: dict[str, Any]) -> None:
    """Gather a round, roll back to an earlier set, or promote a challenger."""
    strategy, by = order["strategy"], f"promoter/{os.getpid()}"
    operations: dict[str, Callable[[], object]] = {
        "gather": lambda: gather(backend, order["round"], by),
        "roll back": lambda: champions.rollback(backend, strategy, by, order.get("to")),
        "promote": lambda: champions.promote(backend, strategy, order["challenger"], by),
    }
    operations[order["do"]]()


def begin(order: dict[str, Any]) -> int:
    """Fork a process for an operation; returns its pid."""
    if pid := os.fork():
        return pid
    code = BROKEN
    try:
        if order.get("die"):
            die_at(order["die"])
        operate(Backend.of(current_settings()), order)
        code = 0
    except (StateError, NotFound) as error:
        print(error, file=sys.stderr, flush=True)
        code = REFUSED
    except BaseException:  # noqa: BLE001 - whatever it is, the driver learns of it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Obey until the input ends."""
    for name in WARM_UP:
        importlib.import_module(name)  # now, and not anew in every process
    for line in sys.stdin:
        order = json.loads(line)
        if "begin" in order:
            answer = begin(order["begin"])
        else:
            status = os.waitpid(order["wait"], 0)[1]
            answer = os.waitstatus_to_exitcode(status)
        print(json.dumps(answer), flush=True)


class Promoters:
    """The mother, as the driver sees it; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self.log = settings.state_dir / f"promoters-{settings.mongo_database}.log"
        environment = {**worker_environment(settings), **THREADS, "PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as log:
            # In a folder that is no repository: what git says of the code would take longer than the promotion.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.promotions.promoter"],
                env=environment,
                cwd=settings.state_dir,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> Promoters:
        """It is there."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it; it ends when it is not spoken to any more."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def begin(self, **order: Any) -> int:
        """Start a process for an operation; returns its pid."""
        return self._ask({"begin": order})

    def wait(self, pid: int) -> int:
        """How a process ended: its exit code, or minus the signal."""
        return self._ask({"wait": pid})

    def _ask(self, order: dict[str, Any]) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(json.loads(self._process.stdout.readline()))


if __name__ == "__main__":
    main()
