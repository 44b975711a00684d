"""The reference as a process: pyqlib's TaskManager in an environment of its own, on the same store."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Any

from benchmarks.bench import ROOT, Bench, stop
from benchmarks.reference.environment import PYTHON


class Reference:
    """One process that runs ``queue_side.py``."""

    def __init__(self, bench: Bench, database: str = "reference") -> None:
        if not PYTHON.exists():
            raise SystemExit("The reference is missing: run `make reference-env`, or leave it out: --no-reference.")
        command = [str(PYTHON), str(ROOT / "benchmarks" / "reference" / "queue_side.py")]
        with (bench.folder / "reference.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=bench.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.order("begin", uri=bench.settings.mongo_uri, database=database)

    def __enter__(self) -> Reference:
        """It is ready."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        stop(self.process)  # type: ignore[arg-type]

    def order(self, name: str, **options: Any) -> Any:
        """Have it do something and wait for the answer."""
        self.send(name, **options)
        return self.answer()

    def send(self, name: str, **options: Any) -> None:
        """Have it do something."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"order": name, **options}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """What came of it."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("The reference ended; see its log.")
        return json.loads(line)
