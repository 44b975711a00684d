"""The reference's side, run by the interpreter of ``.venv-reference``: its own code, untouched, on the same store.

It speaks JSON lines: an order on standard input, an answer on standard output. It imports nothing of rollq.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sys
import time
from typing import Any

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"


def begin(uri: str, database: str) -> None:
    import qlib

    # Quiet: by default it logs every definition that it runs, which would slow it down.
    qlib.init(provider_uri=".", mongo={"task_url": uri, "task_db_name": database}, logging_level="ERROR", kernels=1)


def create(pool: str, definitions: list[dict[str, Any]]) -> dict[str, float]:
    """Create, and create again."""
    from qlib.workflow.task.manage import TaskManager

    manager = TaskManager(pool)
    first = time.perf_counter()
    manager.create_task(definitions)
    second = time.perf_counter()
    manager.create_task(definitions)
    return {"create": second - first, "again": time.perf_counter() - second}


def insert(pool: str, definitions: list[dict[str, Any]]) -> dict[str, float]:
    """Put tasks into a pool in the reference's own format, but in bulk."""
    from bson.binary import Binary
    from qlib.config import C
    from qlib.workflow.task.manage import TaskManager

    manager = TaskManager(pool)
    documents = [
        {"def": Binary(pickle.dumps(one, protocol=C.dump_protocol_version)), "filter": one, "status": "waiting"}
        for one in definitions
    ]
    for at in range(0, len(documents), 1000):
        manager.task_pool.insert_many(documents[at : at + 1000])
    return {"inserted": len(documents)}


class Enough(BaseException):
    """The time that a bounded run has is over: the reference itself knows no such bound."""


def drain(pool: str, seconds: float) -> dict[str, float]:
    """``run_task`` with a function that does nothing, until the pool is empty or ``seconds`` are over."""
    from qlib.workflow.task.manage import run_task

    done, first = 0, time.perf_counter()

    def noop(definition: dict[str, Any]) -> dict[str, bool]:
        nonlocal done
        if time.perf_counter() - first > seconds:
            raise Enough
        done += 1
        return {"ok": True}

    with contextlib.suppress(Enough):
        run_task(noop, pool)
    return {"done": done, "began": first, "ended": time.perf_counter()}


def main() -> None:
    orders = {"begin": begin, "create": create, "insert": insert, "drain": drain}
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever the reference prints is no answer
    for line in sys.stdin:
        order = json.loads(line)
        answer = orders[order.pop("order")](**order)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
