"""What processors make of the frame of a handler, shared by all windows: where none of them learns anything.

Processors that look at a day alone give each day the same values in every window. So they run once per machine, over
all days; a window takes its days of what came out. One that is fitted on train (``ZScoreNorm``) runs in each window.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import pandas as pd

from rollq.tasks.errors import TemplateError
from rollq.tasks.identity import canonical
from rollq.workers.qlib.data.frames import SharedLoader, described, kept, until
from rollq.workers.qlib.natives import Handler

PROCESSORS = "qlib.data.dataset.processor"
# They look at one day, or at one row.
BY_DAY = frozenset(
    {
        *("CSRankNorm", "CSZFillna", "CSZScoreNorm", "DropCol", "DropnaLabel", "DropnaProcessor", "Fillna"),
        *("FilterCol", "ProcessInf", "TanhProcess"),
    }
)
KINDS = ("shared_processors", "infer_processors", "learn_processors")


def fill_shared(handler: Handler, loader: SharedLoader, cache_dir: Path) -> bool:
    """Give a handler its frames out of the cache, if all of its processors look at days alone.

    Args:
        handler: made, and nothing loaded.
        loader: of it.
        cache_dir: where frames are kept.

    Returns:
        Whether it was done.
    """
    key = _key(handler, loader)
    if key is None:
        return False
    end = handler.end_time

    @cache
    def whole() -> Handler:
        """The handler with all days there are."""
        handler.end_time = None
        try:
            handler.setup_data()
        finally:
            handler.end_time = end
        return handler

    raw = loader.load(handler.instruments, handler.start_time)
    frames: dict[str, pd.DataFrame] = {"_data": raw}
    frames["_infer"] = kept(cache_dir, f"{key}-infer", lambda: whole()._infer) if _reads(handler) else raw
    frames["_learn"] = kept(cache_dir, f"{key}-learn", lambda: whole()._learn)
    for name, frame in frames.items():
        setattr(handler, name, until(frame, end))
    return True


def _reads(handler: Handler) -> bool:
    """Whether something is done for inference."""
    return any(getattr(handler, kind) for kind in KINDS[:2])


def _key(handler: Handler, loader: SharedLoader) -> str | None:
    """What the frames are made of; None if they depend on the window."""
    from qlib.data.dataset.handler import DataHandlerLP

    cls = type(handler)
    own = not isinstance(handler, DataHandlerLP) or any(
        getattr(cls, name) is not getattr(DataHandlerLP, name) for name in ("setup_data", "process_data", "fit")
    )
    if own or getattr(handler, "drop_raw", True):
        return None
    processors = {kind: getattr(handler, kind) for kind in KINDS}
    if any(
        type(one).__module__ != PROCESSORS or type(one).__name__ not in BY_DAY
        for found in processors.values()
        for one in found
    ):
        return None
    frame = loader.key(handler.instruments, handler.start_time)
    try:
        # Functions among the attributes are those of their classes.
        made = canonical({kind: [_named(one) for one in found] for kind, found in processors.items()})
    except TemplateError:
        return None
    if frame is None:
        return None
    parts = [frame, made, getattr(handler, "process_type", None)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _named(processor: object) -> object:
    """A processor without the functions that it has chosen by its keywords, which are among its attributes."""
    values = {name: value.__name__ if callable(value) else described(value) for name, value in vars(processor).items()}
    return [type(processor).__name__, values]
