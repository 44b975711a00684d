"""The wheel, installed beside foreign packages that are called as folders of rollq are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from rollq.service import THREADS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder of packages: rollq's wheel, and foreign ``tasks``, ``workers`` and ``scheduler``."""
    built = tmp_path / "dist"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    folder = tmp_path / "packages"
    with ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    for name in ("tasks", "workers"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError('the foreign package was imported')\n")
    (folder / "scheduler.py").write_text("raise RuntimeError('the foreign module was imported')\n")
    return folder


def test_the_demo_runs_from_the_wheel_beside_foreign_packages(installed: Path, tmp_path: Path) -> None:
    assert {path.name for path in installed.iterdir()} == {
        *("rollq", "rollq-0.1.0.dist-info"),
        *("tasks", "workers", "scheduler.py"),
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLQ_", "MLFLOW_TRACKING"))}
    environment = {**clean, **THREADS, "PYTHONPATH": str(installed)}
    small = installed / "rollq" / "examples" / "sp500" / "small.yaml"
    command = [sys.executable, "-P", "-m", "rollq", "demo", "--template", str(small), "--workers", "1", "--json"]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["failed"] == 0
    assert Path(result["report"]).is_file()
