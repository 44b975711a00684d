"""A process that holds a round or a routine and stops at a point: it goes on when it is told to.

The order is JSON on the command line: ``round``, or ``name``, ``prices`` and ``session`` of a routine; and ``point``,
the function before (or after) which it stops. With ``gate`` it keeps running while it waits, until this file is there;
else it sends itself SIGSTOP.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rollq.scheduler.rounds.coordinator import gather
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import current_settings
from rollq.tasks.logs import setup_logging
from tests.online_strategies import manager, template

HERE = "here"  # the ending of the file that says that the process waits at its gate


def stop(gate: str | None) -> None:
    """Stop until SIGCONT, or until the gate is there."""
    if gate is None:
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    Path(f"{gate}.{HERE}").touch()
    while not Path(gate).exists():
        time.sleep(0.02)


def stop_at(point: str, gate: str | None) -> None:
    """Let this process stop the first time that it is before (or after) a function: ``before module:Class.name``."""
    when, _, where = point.partition(" ")
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = owner.__dict__[name]
    call: Callable[..., Any] = getattr(original, "__func__", original)

    calls = itertools.count()

    def stopping(*args: Any, **kwargs: Any) -> Any:
        first = next(calls) == 0
        if first and when == "before":
            stop(gate)
        result = call(*args, **kwargs)
        if first and when == "after":
            stop(gate)
        return result

    setattr(owner, name, type(original)(stopping) if isinstance(original, classmethod | staticmethod) else stopping)


def main(order: dict[str, str]) -> None:
    """Gather the round, or bring the routine up to the session."""
    stop_at(order["point"], order.get("gate"))
    backend = Backend.of(current_settings())
    if "round" in order:
        gather(backend, order["round"], "stopped")
    else:
        online = manager(backend, template(Path(order["prices"]), order["name"]))
        online.routine(order["session"], timeout=120)


if __name__ == "__main__":
    setup_logging("INFO", "human")
    main(json.loads(sys.argv[1]))
