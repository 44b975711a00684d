"""Panels: features, label and more of many rows, computed once per machine and memory-mapped by every worker."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import Unavailable
from rollq.tasks.files.shared_cache import new_folder, one_at_a_time
from rollq.tasks.predictions.session_days import session_days
from rollq.workers.datasets.panel_writer import META, PanelWriter

Rows = slice | npt.NDArray[np.int64]
_verified: set[tuple[Path, str]] = set()  # (folder, meta) of which this process has compared the checksums


@dataclass(frozen=True)
class Panel:
    """Rows sorted by (time, instrument); row r is that of ``times[time_of[r]]`` and ``instruments[instrument_of[r]]``.

    ``features``: rows x features, float32; ``label``, ``raw``, and ``weight`` if there are weights: rows, float32;
    ``starts[s]``: first row of session s; ``session_at[t]``: the session of time t. ``content``: sessions, a hash of
    what the data hold on each, empty where there is nothing. ``levels``: the categories of a categorical feature, in
    the order of their codes.
    """

    times: pd.DatetimeIndex
    sessions: pd.DatetimeIndex
    instruments: pd.Index
    starts: npt.NDArray[np.int64]
    session_at: npt.NDArray[np.int64]
    time_of: npt.NDArray[np.int32]
    instrument_of: npt.NDArray[np.int32]
    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.float32]
    raw: npt.NDArray[np.float32]
    content: npt.NDArray[np.bytes_]
    weight: npt.NDArray[np.float32] | None = None
    levels: Mapping[str, list[str | float]] = field(default_factory=dict)

    def session_of(self, rows: Rows) -> npt.NDArray[np.int64]:
        """The position of the session of some rows."""
        return self.session_at[self.time_of[rows]]

    def index(self, rows: Rows) -> pd.MultiIndex:
        """The index of some rows, (datetime, instrument)."""
        # Made from codes, and unchecked: the rows were unique when the panel was written, and looking again takes
        # longer than the rest of this function.
        return pd.MultiIndex(
            levels=[self.times, self.instruments],
            codes=[self.time_of[rows], self.instrument_of[rows]],
            names=["datetime", "instrument"],
            verify_integrity=False,
        )

    def hashes(self) -> dict[str, str]:
        """The hash of each session, by its date."""
        days = np.datetime_as_string(self.sessions.to_numpy("datetime64[D]")).tolist()
        return dict(zip(days, self.content.astype(str).tolist(), strict=True))


def kept_panel(folder: Path, build: Callable[[PanelWriter], None]) -> Panel:
    """The panel in a folder of the cache, if it is there and whole. If not, one process builds it, and others wait.

    Args:
        folder: its name changes with everything that the panel depends on.
        build: writes all of it.

    Raises:
        Unavailable: the cache cannot be written.
    """
    if panel := _open(folder):
        return panel
    with one_at_a_time(folder):
        # Another process may have built it while this one waited; from here on it is this one's to build.
        if panel := _open(folder):
            return panel
        with new_folder(folder) as temporary:
            build(PanelWriter(temporary))
    panel = _open(folder)
    if panel is None:
        raise Unavailable(
            f"The cache {folder} cannot be read back.", "Check the disk: is it full, may this user write to it?"
        )
    return panel


def _open(folder: Path) -> Panel | None:
    """The panel in ``folder``; None if there is none, or it is not what was written."""
    try:
        text = (folder / META).read_text(encoding="utf-8")
        meta = json.loads(text)
        if not _is_whole(folder, text, meta["files"]):
            return None
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in meta["files"]}
        with contextlib.suppress(OSError):  # the panel of another user is read all the same
            os.utime(folder / META)  # tells a later clean-up what is in use
        times = _times(arrays.pop("times"), meta["zone"])
        days = session_days(times)
        new = ~days.duplicated()
        starts = np.searchsorted(arrays["time_of"], [*np.flatnonzero(new), len(times)])
        place = (days[new].rename(None), pd.Index(meta["instruments"]), starts, np.cumsum(new) - 1)
        return Panel(times, *place, **arrays, levels=meta["levels"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _times(stamps: npt.NDArray[np.int64], zone: str | None) -> pd.DatetimeIndex:
    times = pd.DatetimeIndex(np.asarray(stamps).astype("datetime64[ns]"))
    return times if zone is None else times.tz_localize("UTC").tz_convert(zone)


def _is_whole(folder: Path, text: str, files: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether sizes and, once per process, checksums are those that were written."""
    if any((folder / f"{name}.npy").stat().st_size != stamp["bytes"] for name, stamp in files.items()):
        return False
    # Once per process: hashing a large panel takes longer than many a task. What changes on disk later is not found.
    if (folder, text) not in _verified:
        for name, stamp in files.items():
            with (folder / f"{name}.npy").open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != stamp["sha256"]:
                    return False
        _verified.add((folder, text))
    return True
