"""The ports of Qlib's example scripts, each started as a user starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.from_qlib.ports import PORTS
from rollq.tasks.config.settings import Settings, worker_environment

FRAME = r"datetime +instrument +\n\d{4}-\d\d-\d\d [A-Z]+ +-?\d\.\d+"
PRINTED = {
    "task_manager_rolling": [r"'test': \(Timestamp\('2017-04-03 ", rf"'LGBModel'.*\n{FRAME}"],
}


def run(name: str, folder: Path, settings: Settings) -> str:
    """What a port prints, with the servers of the test."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ROLLQ_", "MLFLOW_"))}
    command = [sys.executable, str(PORTS / f"{name}.py")]
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**clean, **worker_environment(settings)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


@pytest.mark.parametrize("name", PRINTED)
def test_a_port_runs(name: str, tmp_path: Path, settings: Settings) -> None:
    printed = run(name, tmp_path, settings)
    assert [pattern for pattern in PRINTED[name] if not re.search(pattern, printed)] == [], printed
