"""Runs of pyqlib, recorded once, and copies of them to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.qlib_runs import make_runs


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pyqlib recorded; not to be changed."""
    return make_runs(tmp_path_factory.mktemp("qlib"))


@pytest.fixture
def runs(recorded: Path, tmp_path: Path) -> Path:
    """A copy, somewhere else than where it was recorded."""
    return Path(shutil.copytree(recorded, tmp_path / "mlruns"))
