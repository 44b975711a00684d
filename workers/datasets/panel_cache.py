"""The panel of a price file: features and labels, computed once per machine and memory-mapped by every worker."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError, Unavailable
from rollq.tasks.files.shared_cache import new_folder, one_at_a_time
from rollq.tasks.predictions.day_hashes import DIGITS, frame_hashes
from rollq.tasks.rolling.data_checks import DataChecks, left_out
from rollq.workers.datasets.features import compute
from rollq.workers.datasets.found_odd import findings_of
from rollq.workers.datasets.labels import Label
from rollq.workers.datasets.prices import KEY, file_sha256, read_closes

VERSION = 2  # raise it when a feature or label is computed differently
LAYOUT = 3  # raise it when other files are kept, or other rows
META = "meta.json"
ARRAYS = ("session_of", "instrument_of", "features", "label", "raw", "content")
BLOCK = 250  # sessions whose closes are hashed at once
_verified: set[tuple[Path, str]] = set()  # (folder, meta) of which this process has compared the checksums


@dataclass(frozen=True)
class Panel:
    """Rows sorted by (session, instrument); row r belongs to ``sessions[session_of[r]]``.

    ``features``: rows x features, float32; ``label`` and ``raw``: rows, float32; ``starts[s]``: first row of session s.
    ``content``: sessions, a hash of the closes of each (``frame_hashes``), empty where there is none.
    """

    sessions: pd.DatetimeIndex
    instruments: pd.Index
    starts: npt.NDArray[np.int64]
    session_of: npt.NDArray[np.int32]
    instrument_of: npt.NDArray[np.int32]
    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.float32]
    raw: npt.NDArray[np.float32]
    content: npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class PanelSpec:
    """What a panel is made of. ``rank`` replaces features and label by their rank of the day, in (-0.5, 0.5]."""

    path: Path
    features: tuple[tuple[str, str, int], ...]
    label: Label
    rank: bool
    universe: tuple[str, ...] | None
    checks: DataChecks = field(default_factory=DataChecks)

    def key(self, sha256: str, out: Collection[str]) -> str:
        """Name of the panel's folder in the cache: it changes with the data, the features, the label, and the code.

        Args:
            sha256: of the price file.
            out: sessions that are left out.
        """
        rows = [self.checks.name, self.checks.accept, sorted(out)]
        made = [self.features, str(self.label), self.rank, self.universe]
        parts = [VERSION, LAYOUT, sha256, *made, rows]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def load_panel(spec: PanelSpec, cache_dir: Path) -> Panel:
    """The panel, from the cache if it is there and whole. One process computes it, others wait.

    Raises:
        DataError: the file is missing, is no price table, or nothing of the universe is in it.
        NotYet: the file was replaced meanwhile.
        Unavailable: the cache cannot be written.
    """
    sha256 = file_sha256(spec.path)
    out = left_out(findings_of(spec.path, spec.universe, spec.checks, cache_dir, sha256))
    folder = cache_dir / f"panel-{spec.key(sha256, out)}"
    if panel := _open(folder):
        return panel
    with one_at_a_time(folder):
        # Another process may have built it while this one waited; from here on it is this one's to build.
        if panel := _open(folder):
            return panel
        _build(spec, folder, out, sha256)
    panel = _open(folder)
    if panel is None:
        raise Unavailable(
            f"The cache {folder} cannot be read back.", "Check the disk: is it full, may this user write to it?"
        )
    return panel


def _build(spec: PanelSpec, folder: Path, out: Collection[str], sha256: str) -> None:
    """Compute the panel and put it into its place; the caller holds the lock."""
    close = read_closes(spec.path, spec.universe, spec.checks, out, sha256)
    if close.empty:
        raise DataError(f"{KEY}: no session of {spec.path} can be used.", "See `rollq data check TEMPLATE`.")
    with new_folder(folder) as temporary:
        _write_arrays(spec, close, temporary)
        meta = {
            "sessions": [f"{day:%Y-%m-%d}" for day in close.index],
            "instruments": [str(name) for name in close.columns],
            "files": {name: _stamp(temporary / f"{name}.npy") for name in ARRAYS},
        }
        (temporary / META).write_text(json.dumps(meta), encoding="utf-8")


def _write_arrays(spec: PanelSpec, close: pd.DataFrame, folder: Path) -> None:
    """Write each array of the panel: a row for each close that is there, in the order of sessions, then instruments."""
    present = close.notna().to_numpy()
    session_of, instrument_of = (part.astype(np.int32) for part in np.nonzero(present))
    shape = (len(session_of), len(spec.features))
    # One feature at a time goes through memory: all of them at once would need many times the size of the closes.
    features = np.lib.format.open_memmap(folder / "features.npy", mode="w+", dtype=np.float32, shape=shape)
    for position, wide in enumerate(compute(close, spec.features)):
        features[:, position] = _ranked(wide, spec.rank).to_numpy()[present]
    features.flush()
    raw = spec.label.compute(close)
    arrays = {
        "label": _ranked(raw, spec.rank).to_numpy()[present].astype(np.float32),
        "raw": raw.to_numpy()[present].astype(np.float32),
        "session_of": session_of,
        "instrument_of": instrument_of,
        "content": _content(close),
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values, allow_pickle=False)


def _content(close: pd.DataFrame) -> npt.NDArray[np.bytes_]:
    """The hash of the closes of each session."""
    hashes: dict[str, str] = {}
    for start in range(0, len(close), BLOCK):
        # In blocks, because a stacked frame takes several times the memory of the wide one.
        hashes |= frame_hashes(close.iloc[start : start + BLOCK].stack().to_frame("close"))
    return np.array([hashes.get(f"{day:%Y-%m-%d}", "") for day in close.index], dtype=f"S{DIGITS}")


def _stamp(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _ranked(wide: pd.DataFrame, rank: bool) -> pd.DataFrame:
    clean = wide.replace([np.inf, -np.inf], np.nan)
    return clean.rank(axis=1, pct=True) - 0.5 if rank else clean


def _open(folder: Path) -> Panel | None:
    """The panel in ``folder``; None if there is none, or it is not what was written."""
    try:
        text = (folder / META).read_text(encoding="utf-8")
        meta = json.loads(text)
        if not _is_whole(folder, text, meta["files"]):
            return None
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
        with contextlib.suppress(OSError):  # the panel of another user is read all the same
            os.utime(folder / META)  # tells a later clean-up what is in use
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sessions = pd.DatetimeIndex(meta["sessions"]).as_unit("ns")
    starts = np.searchsorted(arrays["session_of"], np.arange(len(sessions) + 1))
    return Panel(sessions, pd.Index(meta["instruments"]), starts, **arrays)


def _is_whole(folder: Path, text: str, files: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether sizes and, once per process, checksums are those that were written."""
    if any((folder / f"{name}.npy").stat().st_size != files[name]["bytes"] for name in ARRAYS):
        return False
    # Once per process: hashing a large panel takes longer than many a task. What changes on disk later is not found.
    if (folder, text) not in _verified:
        if any(_stamp(folder / f"{name}.npy") != files[name] for name in ARRAYS):
            return False
        _verified.add((folder, text))
    return True
