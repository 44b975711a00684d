"""Looks at records, and at what is gathered of a window: what they write can be read, and the rows can be published."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from rollq.checking.frames import difference
from rollq.checking.inspection import Wrong
from rollq.checking.model_looks import Trained
from rollq.scheduler.signals.coverage import WindowPrediction, join_windows
from rollq.scheduler.signals.files import read_signals, write_signals
from rollq.tasks.components.record import Record
from rollq.tasks.components.registry import build
from rollq.tasks.definition import TEST, Component, segments_of
from rollq.tasks.errors import RollqError
from rollq.tasks.predictions.session_days import sessions_in

RETURNS = "Let generate return a mapping of finite numbers by name; {} if there are none."


def record(trained: Trained, place: str, config: Component) -> str:
    """Let a record write, and read back what it wrote."""
    before = set(trained.recorder.checksums())
    made: Record = build(
        config,
        place,
        trained.settings.components,
        recorder=trained.recorder,
        model=trained.model,
        dataset=trained.dataset,
    )
    metrics = made.generate() or {}
    _check_metrics(metrics)
    written = [name for name in trained.recorder.checksums() if name not in before]
    for name in written:
        try:
            trained.recorder.load_object(name)
        except RollqError as error:
            raise Wrong(f"what it wrote as {name!r} cannot be read back: {error.message}", error.fix) from error
    said = ", ".join(sorted(metrics)) or "none"
    return f"wrote {', '.join(written) or 'nothing'}; metrics: {said}"


def gathered(trained: Trained) -> str:
    """Gather the window as the coordinator does, and write its signals as they are published."""
    names = trained.recorder.checksums()
    if "pred.parquet" not in names:
        raise Wrong("no record writes pred.parquet.", "Add - class: SignalRecord, as the first record.")
    predictions = trained.recorder.load_object("pred.parquet")
    frame = predictions.to_frame("score") if isinstance(predictions, pd.Series) else predictions
    expected = trained.recorder.load_object("label.parquet").index if "label.parquet" in names else None
    start, end = segments_of(trained.definition)[TEST]
    known = sessions_in(frame.index if expected is None else expected)
    sessions = [day for day in known if str(start) <= day and (end is None or day <= end)]
    signals = join_windows([WindowPrediction((str(start), end), frame, expected)], sessions)
    with tempfile.TemporaryDirectory(prefix="rollq-") as folder:
        path = Path(folder) / "signals.parquet"
        write_signals(signals, path)
        if found := difference(signals, read_signals(path)):
            raise Wrong(f"signals that are published read otherwise: {found}.", "Let instruments be texts.")
    return f"{len(signals)} signals of {len(sessions)} sessions"


def _check_metrics(metrics: object) -> None:
    if not isinstance(metrics, Mapping):
        raise Wrong(f"generate returned a {type(metrics).__name__}.", RETURNS)
    for name, value in metrics.items():
        number = value[0] if isinstance(value, tuple) and value else value
        if not isinstance(name, str) or isinstance(number, bool) or not isinstance(number, int | float):
            raise Wrong(f"the metric {name!r} is {value!r}.", RETURNS)
        if math.isinf(number):
            raise Wrong(f"the metric {name!r} is infinite.", RETURNS)
