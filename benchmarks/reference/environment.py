"""``python -m benchmarks.reference.environment`` makes the environment of the reference: pyqlib in a folder."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.bench import ROOT

FOLDER = ROOT / ".venv-reference"
PYTHON = FOLDER / "bin" / "python"
PACKAGES = ("pyqlib==0.9.7",)


def make() -> None:
    """Make it, if it is not there."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    ready = subprocess.run([str(PYTHON), "-c", "import qlib.workflow.task.manage"], capture_output=True)
    if ready.returncode:
        options = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([str(PYTHON), "-m", "pip", "install", *options, *PACKAGES], check=True)
    print(f"The reference is in {FOLDER}.")


if __name__ == "__main__":
    make()
