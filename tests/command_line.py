"""The command line in the process of the test: as fast as a function, with exit code and output."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Any

import pytest

from rollq.cli import main as front
from rollq.tasks.config.settings import Settings, worker_environment


@dataclass(frozen=True)
class Answer:
    """What a command wrote, and how it left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its JSON value, read by a reader that knows no NaN."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


class CommandLine:
    """Runs commands with the settings of a test."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: Settings | None = None
    ) -> None:
        self._patch, self._capsys = monkeypatch, capsys
        for name, value in (worker_environment(settings) if settings else {}).items():
            monkeypatch.setenv(name, value)

    def __call__(self, *arguments: object) -> Answer:
        """Run one command."""
        before = signal.getsignal(signal.SIGTERM)
        self._patch.setattr("sys.argv", ["rollq", *map(str, arguments)])
        self._capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as left:
                front.main()
        finally:
            signal.signal(signal.SIGTERM, before)
        written = self._capsys.readouterr()
        return Answer(int(left.value.code or 0), written.out, written.err)
