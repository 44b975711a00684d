"""``python -m benchmarks`` runs all of them, one after the other; options are those that they share."""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.bench import ROOT
from benchmarks.reference.environment import PYTHON

ALL = (
    "create",
    "drain",
    "claim",
    "orphan",
    "gather",
    "recorder",
    "collect",
    "promotion",
    "simulation",
    "revisions",
    "datasets.panel",
    "datasets.expressions",
    "datasets.qlib_frames",
)
WITH_REFERENCE = ("create", "drain", "recorder")


def main() -> int:
    """Run all; the exit code says whether one of them broke."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of tables")
    given = parser.parse_args()
    codes = []
    for name in ALL:
        options = ["--json"] if given.json else []
        if name in WITH_REFERENCE and not PYTHON.exists():
            print(f"{name}: without the reference, `make reference-env` installs it", file=sys.stderr)
            options.append("--no-reference")
        codes.append(subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], cwd=ROOT).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
