"""The frame that a handler of Qlib loads: computed once per machine, and memory-mapped by every worker.

It reaches from the handler's start to the last session there is; a window takes its days of it. What a value is made of
does not depend on where the frame ends, so these are the values that Qlib would load for the window alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from rollq.tasks.errors import TemplateError
from rollq.tasks.files.shared_cache import new_folder, one_at_a_time
from rollq.tasks.identity import canonical
from rollq.workers.qlib.natives import Loader
from rollq.workers.qlib.quiet import quietly

VERSION = 1  # raise it when other files are kept
META = "meta.json"
LIBRARIES = ("pyqlib", "pandas", "numpy")
NAMES = ["datetime", "instrument"]
KINDS = "fiub"  # of values that can be mapped


class SharedLoader:
    """Gives a handler the frame of its own loader, out of the cache.

    Args:
        loader: the handler's own.
        state: of the data folder.
        cache_dir: where frames are kept.
    """

    def __init__(self, loader: Loader, state: str, cache_dir: Path) -> None:
        self._loader, self._state, self._cache_dir = loader, state, cache_dir

    def load(self, instruments: object = None, start_time: object = None, end_time: object = None) -> pd.DataFrame:
        """The days from ``start_time`` to ``end_time``.

        Raises:
            Unavailable: the cache cannot be written.
        """
        key = self.key(instruments, start_time)
        if key is None:  # nobody could tell that two such loaders load the same
            return _loaded(self._loader, instruments, start_time, end_time)
        frame = kept(self._cache_dir, key, lambda: _loaded(self._loader, instruments, start_time, None))
        return until(frame, end_time)

    def key(self, instruments: object, start_time: object) -> str | None:
        """What the frame is made of; None if the loader holds something that has no name."""
        try:
            parts = canonical([described(self._loader), instruments, start_time])
        except TemplateError:
            return None
        libraries = [version(name) for name in LIBRARIES]
        return hashlib.sha256(json.dumps([VERSION, libraries, self._state, parts]).encode()).hexdigest()[:24]


def kept(cache_dir: Path, key: str, build: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The frame of this key, mapped from the cache. It is built if it is not there; one that cannot be mapped stays as
    it was built.

    Raises:
        Unavailable: the cache cannot be written.
    """
    folder = cache_dir / f"qlib-{key}"
    if (frame := _open(folder)) is not None:
        return frame
    with one_at_a_time(folder):
        if (frame := _open(folder)) is not None:
            return frame
        frame = build()
        if list(frame.index.names) != NAMES or any(dtype.kind not in KINDS for dtype in frame.dtypes):
            return frame
        _write(frame, folder)
    mapped = _open(folder)
    return frame if mapped is None else mapped


def _loaded(loader: Loader, instruments: object, start_time: object, end_time: object) -> pd.DataFrame:
    """What Qlib's loader loads; its own cache in memory knows nothing of files that change, and is large."""
    with quietly():
        from qlib.data.cache import H
        from qlib.utils import lazy_sort_index

        H.clear()
        try:
            frame = lazy_sort_index(loader.load(instruments, start_time, end_time))
        finally:
            H.clear()
    if not isinstance(frame, pd.DataFrame):
        raise TemplateError("the loader gives no frame.", "Use one of Qlib's.", "dataset.kwargs.handler")
    return frame


def described(value: object) -> object:
    """What an object of Qlib is made of: its class and its attributes, at whatever depth."""
    if isinstance(value, Mapping):
        return {str(name): described(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [described(one) for one in value]
    if type(value).__module__.startswith("qlib.") and hasattr(value, "__dict__"):
        return {"is": f"{type(value).__module__}:{type(value).__qualname__}", "of": described(vars(value))}
    return value


def _write(frame: pd.DataFrame, folder: Path) -> None:
    """Put a frame into its place; the caller holds the lock."""
    with new_folder(folder) as temporary:
        parts = [frame.index.get_level_values(level) for level in (0, 1)]
        days, names = (part.unique().sort_values() for part in parts)
        meta = {
            "columns": [list(one) if isinstance(one, tuple) else one for one in frame.columns],
            "column_names": list(frame.columns.names),
            "index_names": list(frame.index.names),
            "instruments": [str(name) for name in names],
            "blocks": [],
        }
        np.save(temporary / "days.npy", days.to_numpy("datetime64[ns]"))
        for name, level, values in zip(("day_of", "instrument_of"), (days, names), parts, strict=True):
            np.save(temporary / f"{name}.npy", level.get_indexer(values).astype(np.int32))
        for number, dtype in enumerate(dict.fromkeys(frame.dtypes)):
            columns = [at for at, one in enumerate(frame.dtypes) if one == dtype]
            meta["blocks"].append(columns)
            np.save(temporary / f"block{number}.npy", frame.iloc[:, columns].to_numpy(dtype))
        (temporary / META).write_text(json.dumps(meta), encoding="utf-8")


def _open(folder: Path) -> pd.DataFrame | None:
    """The frame in ``folder``; None if there is none."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        with contextlib.suppress(OSError):
            os.utime(folder / META)  # tells a later clean-up what is in use
        days, day_of, instrument_of = (
            np.load(folder / f"{part}.npy", allow_pickle=False) for part in ("days", "day_of", "instrument_of")
        )
        # Copied when written to: processors that change a frame in place change no other worker's.
        blocks = [
            np.load(folder / f"block{number}.npy", mmap_mode="c", allow_pickle=False)
            for number in range(len(meta["blocks"]))
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    index = pd.MultiIndex(
        levels=[pd.DatetimeIndex(days), pd.Index(meta["instruments"])],
        codes=[day_of, instrument_of],
        names=meta["index_names"],
        verify_integrity=False,
    )
    columns = _columns(meta)
    frames = [
        pd.DataFrame(block, index=index, columns=columns[chosen], copy=False)
        for block, chosen in zip(blocks, meta["blocks"], strict=True)
    ]
    return frames[0] if len(frames) == 1 else pd.concat(frames, axis=1)[list(columns)]


def _columns(meta: Mapping[str, list[object]]) -> pd.Index:
    if any(isinstance(one, list) for one in meta["columns"]):
        names = [tuple(one) if isinstance(one, list) else one for one in meta["columns"]]
        return pd.MultiIndex.from_tuples(names, names=meta["column_names"])
    return pd.Index(meta["columns"], name=meta["column_names"][0])


def until(frame: pd.DataFrame, end_time: object) -> pd.DataFrame:
    """The rows up to a day, which belongs to them."""
    if end_time is None:
        return frame
    days = frame.index.get_level_values(0)  # sorted
    cut = frame.iloc[: int(days.searchsorted(pd.Timestamp(str(end_time)), "right"))]
    cut.index = cut.index.remove_unused_levels()
    return cut
