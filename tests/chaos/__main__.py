"""``python -m tests.chaos``: long chaos runs with a table each; exit code 1 if anything was lost or doubled."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import driver
from tests.chaos.hosts import two_hosts
from tests.chaos.hosts.network import Cut, why_not
from tests.chaos.promotions import run as promotions

SHOWN = 50


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="order of the faults")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--promotions", type=int, default=promotions.KILLS, help="kills while online sets change")
    options = parser.parse_args()
    wrong = _two_hosts()
    promoted = promotions.run_alone(options.seed, options.promotions)
    wrong += _show("promotions under kills", promoted.table(), promoted.wrong)
    with tempfile.TemporaryDirectory(prefix="rollq-chaos-") as folder:
        report = driver.run(Path(folder), options.seed, options.tasks, options.kills)
    wrong += _show("one host, every kind of fault", report.table(), report.wrong)
    return 1 if wrong else 0


def _two_hosts() -> int:
    """A host that is cut off, once for each way."""
    if reason := why_not():
        print(f"two hosts: left out, {reason}\n", flush=True)
        return 0
    wrong = 0
    for how in Cut:
        with tempfile.TemporaryDirectory(prefix="rollq-hosts-") as folder:
            report = two_hosts.run(Path(folder), how)
        wrong += _show("two hosts, one of them cut off while it trains", report.table(), report.wrong)
    return wrong


def _show(title: str, table: str, wrong: Sequence[str]) -> int:
    """Print a table and the first violations; returns how many there are."""
    print("\n".join([title, table, *wrong[:SHOWN]]), end="\n\n", flush=True)
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
