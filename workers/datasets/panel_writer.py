"""Writes a panel into a folder, one feature after the other, in little memory however large it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

META = "meta.json"
LAYOUT = 4  # raise it when other files are kept, or other rows
COLUMNS = "columns.tmp"
BLOCK_BYTES = 16 * 2**20  # of features that are turned at once


class PanelWriter:
    """Features come one by one, each for all rows, but are read row by row: they are written as they come, and turned
    in blocks at the end. A memory map of the panel, filled column by column, would have all of it in memory.

    Args:
        folder: where it writes.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is written yet."""
        self._folder = folder
        self._columns = folder / COLUMNS
        self._count = 0

    def scratch(self, name: str) -> Path:
        """A file for what is not kept; it is removed with the others of its kind at the end."""
        return self._folder / f"{name}.tmp"

    def add_feature(self, values: npt.NDArray[np.floating]) -> None:
        """The next feature.

        Args:
            values: of all rows.
        """
        with self._columns.open("ab") as file:
            file.write(np.ascontiguousarray(values, dtype=np.float32).data)
        self._count += 1

    def finish(
        self,
        times: pd.DatetimeIndex,
        instruments: Sequence[str],
        arrays: Mapping[str, npt.NDArray[np.generic]],
        levels: Mapping[str, Sequence[str | float]] | None = None,
    ) -> None:
        """Everything else.

        Args:
            times: sorted and unique.
            instruments: in the order of their codes.
            arrays: ``time_of``, ``instrument_of``, ``label``, ``raw``, ``content``, and ``weight`` if there are any.
            levels: of categorical features.
        """
        zone = None if times.tz is None else str(times.tz)
        stamps = (times if zone is None else times.tz_convert("UTC").tz_localize(None)).to_numpy("datetime64[ns]")
        for name, values in {**arrays, "times": stamps.astype(np.int64)}.items():
            np.save(self._folder / f"{name}.npy", values, allow_pickle=False)
        self._turn(len(arrays["time_of"]))
        for left in self._folder.glob("*.tmp"):
            left.unlink()
        names = [*arrays, "times", "features"]
        meta = {
            "zone": zone,
            "instruments": [str(name) for name in instruments],
            "levels": {name: list(found) for name, found in (levels or {}).items()},
            "files": {name: _stamp(self._folder / f"{name}.npy") for name in names},
        }
        (self._folder / META).write_text(json.dumps(meta), encoding="utf-8")

    def _turn(self, rows: int) -> None:
        """Write ``features.npy``, rows x features, from the features that were added, one after the other."""
        block = max(1, BLOCK_BYTES // (4 * max(1, self._count)))
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, self._count)}
        with (self._folder / "features.npy").open("wb") as made, self._columns.open("a+b") as columns:
            np.lib.format.write_array_header_1_0(made, header)
            turned = np.empty((min(block, rows), self._count), dtype=np.float32)
            for first in range(0, rows, block):
                count = min(block, rows - first)
                for position in range(self._count):
                    columns.seek(4 * (position * rows + first))
                    turned[:count, position] = np.fromfile(columns, dtype=np.float32, count=count)
                made.write(turned[:count].data)


def _stamp(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
