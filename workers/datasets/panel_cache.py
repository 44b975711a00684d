"""The panel of a price file: features and labels, computed once per machine and memory-mapped by every worker."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.errors import DataError
from workers.datasets.features import compute
from workers.datasets.labels import Label

VERSION = 1  # raise it when a feature or label is computed differently
KEY = "dataset.kwargs.path"


@dataclass(frozen=True)
class Panel:
    """Rows sorted by (session, instrument); row r belongs to ``sessions[session_of[r]]``.

    ``features``: rows x features, float32; ``label`` and ``raw``: rows, float32; ``starts[s]``: first row of session s.
    """

    sessions: pd.DatetimeIndex
    instruments: pd.Index
    starts: npt.NDArray[np.int64]
    session_of: npt.NDArray[np.int32]
    instrument_of: npt.NDArray[np.int32]
    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.float32]
    raw: npt.NDArray[np.float32]


@dataclass(frozen=True)
class PanelSpec:
    """What a panel is made of. ``rank`` replaces features and label by their rank of the day, in (-0.5, 0.5]."""

    path: Path
    features: tuple[tuple[str, str, int], ...]
    label: Label
    rank: bool
    universe: tuple[str, ...] | None

    def key(self) -> str:
        """Name of the panel's folder in the cache: it changes with the data, the features, the label, and the code."""
        parts = [VERSION, file_sha256(self.path), self.features, str(self.label), self.rank, self.universe]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def load_panel(spec: PanelSpec, cache_dir: Path) -> Panel:
    """The panel, from the cache if it is there and whole. One process computes it, others wait.

    Raises:
        DataError: the file is missing, is no price table, or nothing of the universe is in it.
    """
    folder = cache_dir / f"panel-{spec.key()}"
    if panel := _open(folder):
        return panel
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / f"{folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if panel := _open(folder):
            return panel
        shutil.rmtree(folder, ignore_errors=True)
        _build(spec, folder)
    panel = _open(folder)
    if panel is None:
        raise DataError(f"The cache {folder} cannot be read back.", "Check the disk: `rollq doctor`.")
    return panel


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file; read again only when it changed.

    Raises:
        DataError: there is no such file.
    """
    try:
        stat = path.stat()
        return _file_sha256(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DataError(f"{KEY}: the file {path} {reason}.", "Give a Parquet file, relative to the template.") from None


@cache
def _file_sha256(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_closes(path: Path, universe: Sequence[str] | None) -> pd.DataFrame:
    """Closes as a wide frame: sessions x instruments.

    Raises:
        DataError: the file is no price table, or nothing of the universe is in it.
    """
    file_sha256(path)  # the clear message if it is missing
    try:
        prices = pd.read_parquet(path).reset_index()
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise DataError(f"{KEY}: {path} is not a Parquet file: {error}.", "Give a Parquet file.") from None
    if missing := [name for name in ("datetime", "instrument", "close") if name not in prices.columns]:
        raise DataError(f"{KEY}: {path} has no column {missing[0]!r}.", "It needs datetime, instrument and close.")
    if universe is not None:
        prices = prices[prices["instrument"].isin(list(universe))]
    if prices.empty:
        raise DataError("dataset.kwargs.universe: the universe is empty.", "Name instruments that the price file has.")
    if prices.duplicated(["datetime", "instrument"]).any():
        raise DataError(f"{KEY}: {path} has two closes for one instrument and day.", "Keep one.")
    return prices.pivot_table(index="datetime", columns="instrument", values="close", aggfunc="last", sort=True)


def _build(spec: PanelSpec, folder: Path) -> None:
    close = read_closes(spec.path, spec.universe).astype(np.float64)
    present = close.notna().to_numpy()
    session_of, instrument_of = (part.astype(np.int32) for part in np.nonzero(present))
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".panel-"))
    features = np.lib.format.open_memmap(
        temporary / "features.npy", mode="w+", dtype=np.float32, shape=(len(session_of), len(spec.features))
    )
    for position, wide in enumerate(compute(close, spec.features)):
        features[:, position] = _ranked(wide, spec.rank).to_numpy()[present]
    features.flush()
    raw = spec.label.compute(close)
    arrays = {
        "label": _ranked(raw, spec.rank).to_numpy()[present].astype(np.float32),
        "raw": raw.to_numpy()[present].astype(np.float32),
        "session_of": session_of,
        "instrument_of": instrument_of,
    }
    for name, values in arrays.items():
        np.save(temporary / f"{name}.npy", values, allow_pickle=False)
    meta = {
        "sessions": [f"{day:%Y-%m-%d}" for day in close.index],
        "instruments": [str(name) for name in close.columns],
        "rows": len(session_of),
        "bytes": {path.name: path.stat().st_size for path in temporary.glob("*.npy")},
    }
    (temporary / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    temporary.replace(folder)


def _ranked(wide: pd.DataFrame, rank: bool) -> pd.DataFrame:
    clean = wide.replace([np.inf, -np.inf], np.nan)
    return clean.rank(axis=1, pct=True) - 0.5 if rank else clean


def _open(folder: Path) -> Panel | None:
    """The panel in ``folder``; None if there is none, or it is not whole."""
    try:
        meta: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if any((folder / name).stat().st_size != size for name, size in meta["bytes"].items()):
            return None
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
    except (OSError, ValueError, KeyError):
        return None
    sessions = pd.DatetimeIndex(meta["sessions"]).as_unit("ns")
    starts = np.searchsorted(arrays["session_of"], np.arange(len(sessions) + 1))
    os.utime(folder / "meta.json")  # tells a later clean-up what is in use
    return Panel(sessions, pd.Index(meta["instruments"]), starts, **arrays)


ARRAYS = ("session_of", "instrument_of", "features", "label", "raw")
