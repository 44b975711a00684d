"""A real ``rollq worker`` that runs the short work of ``job.py``. Argument: by how many seconds its clock is wrong."""

from __future__ import annotations

import sys
import time

SKEW = float(sys.argv[1])
if SKEW:
    # Python's clocks, before anything else reads them; the kernel's clock belongs to the whole machine.
    _time, _time_ns = time.time, time.time_ns
    time.time = lambda: _time() + SKEW
    time.time_ns = lambda: _time_ns() + int(SKEW * 1e9)

from rollq.service import run_worker  # noqa: E402
from tasks.settings import load_settings  # noqa: E402
from tests.chaos.job import run  # noqa: E402

if __name__ == "__main__":
    settings = load_settings()
    sys.exit(run_worker(settings, settings.concurrency, run))
