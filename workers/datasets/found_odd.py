"""What is odd about a price file, kept beside the panels: it is looked at once per machine, as the panel is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from rollq.tasks.components.dataset import Finding
from rollq.tasks.files.shared_cache import keep_text
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.workers.datasets.prices import file_sha256, read_prices
from rollq.workers.datasets.session_checks import find
from rollq.workers.datasets.session_dates import find_future

Looked = tuple[list[str], list[Finding]]  # the sessions of the data, and what is odd whatever the day

VERSION = 2  # raise it when something else is found odd


def findings_of(
    path: Path, universe: tuple[str, ...] | None, checks: DataChecks, cache_dir: Path, sha256: str | None = None
) -> tuple[Finding, ...]:
    """What is odd about a price file today, by session.

    Args:
        sha256: of the file that is meant; None: as it is now.

    Raises:
        DataError: the file is missing, or is no price table.
        NotYet: it is another file by now.
    """
    sha256 = sha256 or file_sha256(path)
    kept = cache_dir / f"odd-{_key(sha256, universe, checks)}.json"
    sessions, timeless = _read(kept) or _look(path, sha256, universe, checks, kept)
    # What lies in the future depends on today, so it is not kept but found each time.
    findings = [*timeless, *find_future(sessions, checks)]
    return tuple(sorted(findings, key=lambda one: (one.session, one.check)))


def _key(sha256: str, universe: tuple[str, ...] | None, checks: DataChecks) -> str:
    # Everything that the findings depend on is in the name, so a kept file is never out of date and never changed.
    parts = [VERSION, sha256, universe, checks.to_dict()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _look(path: Path, sha256: str, universe: tuple[str, ...] | None, checks: DataChecks, kept: Path) -> Looked:
    prices = read_prices(path, sha256)
    days = np.unique(prices["datetime"].to_numpy().astype("datetime64[D]"))
    sessions, findings = np.datetime_as_string(days).tolist(), find(prices, checks, universe)
    # The cache of another user may hold the panel where this one cannot be written: then it is looked at each time.
    keep_text(kept, json.dumps({"sessions": sessions, "findings": [asdict(one) for one in findings]}))
    return sessions, findings


def _read(path: Path) -> Looked | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found["sessions"], [Finding(**one) for one in found["findings"]]
