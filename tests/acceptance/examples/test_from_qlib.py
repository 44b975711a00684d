"""The ports of Qlib's example scripts, each started as a user starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.from_qlib.ports import ORIGINALS, PORTS
from rollq.tasks.config.settings import Settings, worker_environment

FRAME = r"datetime +instrument[ .]*\n\d{4}-\d\d-\d\d +[A-Z]+ +-?\d\.\d+"
PRINTED = {  # and logged
    "online_management_simulate": [
        r"reset\nsimulate\n",
        rf"signals\n{FRAME}",
        "Name: score, Length: 2520, ",
        "version 4 is online",
    ],
    "rolling_online_management": [
        rf"predictions\n.*\('RidgeModel.*\n{FRAME}",
        rf"signals\n{FRAME}",
        r"load\nroutine\n",
        "LGBModel: nothing to do",
    ],
    "task_manager_rolling": [r"'test': \(Timestamp\('2017-04-03 ", rf"'LGBModel'.*\n{FRAME}"],
    "update_online_pred": ["updated the predictions of 1 online models"],
    "workflow_by_code": [rf" volatility_20\n{FRAME}"],
}
WITHOUT_SERVERS = "workflow_by_code"  # it starts its own, as all do whose user has set none


def run(name: str, folder: Path, servers: dict[str, str]) -> str:
    """What a port prints and logs."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ROLLQ_", "MLFLOW_"))}
    command = [sys.executable, str(PORTS / f"{name}.py")]
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**clean, **servers},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout + ran.stderr


def test_each_original_has_a_port_that_is_run() -> None:
    assert set(PRINTED) == {path.stem for path in ORIGINALS.glob("*.yaml")}


@pytest.mark.parametrize("name", PRINTED)
def test_a_port_runs(name: str, tmp_path: Path, settings: Settings) -> None:
    printed = run(name, tmp_path, {} if name == WITHOUT_SERVERS else worker_environment(settings))
    assert [pattern for pattern in PRINTED[name] if not re.search(pattern, printed)] == [], printed
