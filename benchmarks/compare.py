"""Two checkouts side by side: the same benchmarks in turn, the best run of each, and the ratio of every figure.

``python -m benchmarks.compare FOLDER``: FOLDER is a checkout of another commit with an environment of its own in
``.venv`` (``git worktree add FOLDER COMMIT``, then ``make`` there). The order is turned with every round, so that
neither side has the warmer machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.bench import ROOT
from benchmarks.table import show

# Options that make each short enough to be run several times, and leave the reference out.
SHORT: dict[str, list[str]] = {
    "create": ["--tasks", "1000", "--sizes", "2000", "--no-reference"],
    "claim": ["--waiting", "1000", "5000", "--claims", "200"],
    "drain": ["--waiting", "2000", "--repeat", "1", "--no-reference"],
    "gather": ["--rounds", "50"],
    "recorder": ["--runs", "30", "--listed", "1000", "--no-reference"],
    "collect": ["--windows", "60"],
    "promotion": ["--rounds", "10"],
}
RATES = ("/s",)  # figures of which more is better
Figures = dict[str, float]


def main() -> int:
    """Run both, print the ratios: above 1 this checkout is slower, or larger."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("other", type=Path, help="the checkout of the other commit")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SHORT)} (all of them)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    for name in given.names or SHORT:
        rows = list(_compared(name, given.other.resolve(), given.rounds))
        show(f"{name}: this checkout and the other, the best of {given.rounds}", rows, given.json)
        sys.stdout.flush()
    return 0


def _compared(name: str, other: Path, rounds: int) -> Iterator[dict[str, object]]:
    """A row for each figure of one benchmark."""
    best: dict[Path, Figures] = {ROOT: {}, other: {}}
    for turn in range(rounds):
        for checkout in (ROOT, other) if turn % 2 else (other, ROOT):
            for figure, value in _run(name, checkout).items():
                pick = max if figure.endswith(RATES) else min
                best[checkout][figure] = pick(best[checkout].get(figure, value), value)
    for figure, ours in best[ROOT].items():
        theirs = best[other].get(figure)
        if theirs:
            ratio = theirs / ours if figure.endswith(RATES) else ours / theirs
            yield {"figure": figure, "this": ours, "other": theirs, "ratio": ratio}


def _run(name: str, checkout: Path) -> Figures:
    """The figures of one run in a checkout, by what they are."""
    python = checkout / ".venv" / "bin" / "python"
    command = [str(python), "-m", f"benchmarks.{name}", "--json", *SHORT[name]]
    ran = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{name} failed in {checkout}:\n{ran.stderr}")
    found: Figures = {}
    for line in ran.stdout.splitlines():
        for row in json.loads(line)["rows"]:
            found |= _figures(row)
    return found


def _figures(row: Mapping[str, Any]) -> Figures:
    """What was measured, named by what else the row says."""
    label = ", ".join(
        str(value) if isinstance(value, str) else f"{key} {value}"
        for key, value in row.items()
        if not isinstance(value, float)
    )
    return {f"{label}: {key}": value for key, value in row.items() if isinstance(value, float)}


if __name__ == "__main__":
    sys.exit(main())
