"""Memory and time of building a panel: 1,000 instruments x 2,500 sessions x the 158 features of ``alpha158``, ranked.

A process of its own builds it. Its peak resident set counts everything: the interpreter, libraries, the table that is
read, what is computed, and pages of the panel that are mapped. It is compared with the size of the panel.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.bench import ROOT
from benchmarks.table import show

ALLOWED = 1.3  # peak / panel
SET = "alpha158"


def main() -> None:
    """Write a table, build its panel in a process of its own, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datasets.panel", description=__doc__)
    parser.add_argument("--instruments", type=int, default=1_000)
    parser.add_argument("--sessions", type=int, default=2_500)
    parser.add_argument("--features", nargs="*", default=[SET])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--build", help=argparse.SUPPRESS)  # this is the child: the folder
    given = parser.parse_args()
    if given.build:
        print(json.dumps(_build(Path(given.build), given.features)))
        return
    with tempfile.TemporaryDirectory(prefix="rollq-bench-") as folder:
        _write(Path(folder), given.instruments, given.sessions)
        command = [sys.executable, "-m", "benchmarks.datasets.panel", "--build", folder, "--features", *given.features]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise SystemExit(answer.stderr[-2_000:])
        found = json.loads(answer.stdout.splitlines()[-1])
    row = {name: found[name] for name in ("rows", "features", "seconds")}
    row |= {f"{name} MB": found[name] / 2**20 for name in ("panel", "libraries", "peak", "peak not of files")}
    facts = {"peak_to_panel": found["peak"] / found["panel"], "allowed": ALLOWED}
    show("panel: memory of building the panel of a table", [row], given.json, **facts)


def _write(folder: Path, instruments: int, sessions: int) -> None:
    """Daily bars as random walks, a row group per 100 sessions, as files of that size have."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(7)
    names = [f"S{number:04}" for number in range(instruments)]
    close = 50 * np.exp(random.normal(0, 0.02, (sessions, instruments)).cumsum(axis=0)).ravel()
    days = np.repeat(pd.bdate_range("2010-01-01", periods=sessions), instruments)
    frame = pd.DataFrame(
        {"date": days, "symbol": pd.Categorical.from_codes(np.tile(range(instruments), sessions), names)}
    )
    for name, low, high in (("open", 0.99, 1.01), ("high", 1.01, 1.02), ("low", 0.98, 0.99), ("vwap", 0.99, 1.01)):
        frame[name] = (close * random.uniform(low, high, len(close))).astype(np.float32)
    frame["close"], frame["volume"] = close.astype(np.float32), random.integers(1, 10**6, len(close)).astype(np.float32)
    frame.to_parquet(folder / "bars.parquet", row_group_size=100 * instruments)


def _build(folder: Path, features: list[str]) -> dict[str, Any]:
    """In the child: what building takes, in bytes and seconds."""
    from rollq.workers.datasets.table.dataset import TableDataset

    libraries, started = _status("VmRSS"), time.perf_counter()
    dataset = TableDataset(
        str(folder / "bars.parquet"),
        "lead(close, 6) / lead(close, 1) - 1",
        {"train": [None, None]},
        features,
        normalize="rank",
        cache_dir=str(folder / "cache"),
    )
    sessions = len(dataset.sessions)
    seconds, peak = time.perf_counter() - started, _status("VmHWM")
    (panel,) = (folder / "cache").glob("panel-*/features.npy")
    return {
        "rows": len(dataset.prepare("train", "label")),
        "features": len(dataset.feature_names),
        "sessions": sessions,
        "seconds": seconds,
        "panel": panel.stat().st_size,
        "libraries": libraries,
        "peak": peak,
        "peak not of files": peak - _status("RssFile"),
    }


def _status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
