"""Values of options: what no verb takes, and what each makes of a path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollq.cli.main import app
from rollq.cli.values import at_home

RUN = CliRunner()


@pytest.mark.parametrize(
    "words",
    [
        ["tasks", "list", "--older-than", "nan"],
        ["tasks", "cancel", "--older-than", "inf"],
        ["tasks", "remove", "--older-than", "-1"],
        ["tasks", "stat", "--older-than", "1e300"],
        ["tasks", "wait", "--pool", "p", "--timeout", "nan"],
        ["tasks", "list", "--limit", "-1"],
        ["routine", "run", "--timeout", "inf"],
        ["predictions", "update", "--timeout", "-inf"],
        ["simulate", "t.yaml", "--timeout", "nan"],
        ["online", "compare", "a", "--confidence", "nan"],
        ["online", "compare", "a", "--confidence", "1"],
    ],
)
def test_amounts_are_finite(words: list[str]) -> None:
    ran = RUN.invoke(app, words)
    assert ran.exit_code == 2, ran.output
    assert "nvalid value" in ran.output


def test_the_tilde_is_the_home_in_every_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert at_home([Path("~/a"), Path("b~")]) == [tmp_path / "a", Path("b~")]
    assert at_home(None) is None
    ran = RUN.invoke(app, ["enqueue", "~nobody-like-this/t.yaml"])
    assert ran.exit_code == 2


@pytest.mark.parametrize("name", ["tasks", "workers", "scheduler"])
def test_a_foreign_module_of_a_common_name_does_no_harm(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('the foreign module was imported')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    code = "from rollq import DelayTrainer, LGBModel, TaskManager; import rollq.__main__; print('fine')"
    command = [sys.executable, "-P", "-c", code]
    ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "fine\n", "")
