"""What is odd about a price file, kept beside the panels: it is looked at once per machine, as the panel is."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tasks.data_checks import DataChecks, Finding
from tasks.errors import Unavailable
from workers.datasets.prices import file_sha256, read_prices
from workers.datasets.session_checks import find, find_future

VERSION = 1  # raise it when something else is found odd


def findings_of(
    path: Path, universe: tuple[str, ...] | None, checks: DataChecks, cache_dir: Path
) -> tuple[Finding, ...]:
    """What is odd about a price file today, by session.

    Raises:
        DataError: the file is missing, or is no price table.
        Unavailable: the cache cannot be written.
    """
    kept = cache_dir / f"odd-{_key(path, universe, checks)}.json"
    found = _read(kept) or _look(path, universe, checks, kept)
    timeless = [Finding(**one) for one in found["findings"]]
    findings = [*timeless, *find_future(found["sessions"], checks)]
    return tuple(sorted(findings, key=lambda one: (one.session, one.check)))


def _key(path: Path, universe: tuple[str, ...] | None, checks: DataChecks) -> str:
    parts = [VERSION, file_sha256(path), universe, checks.to_dict()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _look(path: Path, universe: tuple[str, ...] | None, checks: DataChecks, kept: Path) -> dict[str, Any]:
    prices = read_prices(path)
    days = np.unique(prices["datetime"].to_numpy().astype("datetime64[D]"))
    findings = [asdict(one) for one in find(prices, checks, universe)]
    found = {"sessions": np.datetime_as_string(days).tolist(), "findings": findings}
    _write(kept, found)
    return found


def _read(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    return None


def _write(path: Path, found: dict[str, Any]) -> None:
    """Write a file beside its place and move it there in one step; any number of processes may do it at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(found, file)
        Path(temporary).replace(path)
    except OSError as error:
        raise Unavailable(
            f"The cache {path} cannot be written: {error}.", "Free the disk, or set ROLLQ_STATE_DIR."
        ) from error
