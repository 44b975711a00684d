"""The signals of the first set: what the models that served have predicted, in a run of their own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from rollq.scheduler.collect.ensembles import RollingEnsemble
from rollq.scheduler.online.online_set import OnlineModel, SignalFile
from rollq.scheduler.signals.files import file_sha256, read_signals, summary, write_signals
from rollq.scheduler.signals.members import Member, joined_members
from rollq.tasks.errors import EnsembleError
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.past_run import PastRun
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.run_tags import KIND, STRATEGY

NAME = "signals.parquet"
INDEX = ["datetime", "instrument"]


def signals_of(
    uri: str, strategy: str, origin: str, models: Sequence[OnlineModel], known: Mapping[str, MLflowRecorder]
) -> SignalFile | None:
    """Join the predictions of the windows, later windows first, and write them once; of several models, their average.

    Args:
        uri: of the tracking store.
        origin: of the set that they belong to; by this their run is found again.
        known: what was imported before, by its origin.

    Returns:
        Where they are; None if there are predictions without the column ``score``, or those of several models do not
        match.

    Raises:
        Unavailable: MLflow does not answer.
    """
    experiment = MLflowExperiment.open(strategy, uri)
    if origin in known:
        path = known[origin].load_object(NAME)
        return SignalFile(known[origin].id, NAME, file_sha256(path), **summary(read_signals(path)))
    frames: dict[Member, dict[str, pd.DataFrame]] = {}
    for model in models:
        frame = experiment.get_recorder(model.recorder_id).load_object("pred.pkl")
        if not _has_scores(frame):
            return None
        frames.setdefault(Member(model.member, model.role), {})[model.recorder_id] = frame
    try:
        joined = joined_members({member: RollingEnsemble()(found).sort_index() for member, found in frames.items()})
    except EnsembleError:
        return None
    run = PastRun(uri, experiment, origin, f"signals {strategy}", now := int(time.time() * 1000))
    with TemporaryDirectory(prefix="rollq-") as folder:
        path = Path(folder) / NAME
        checksum = write_signals(joined, path)
        run.save({NAME: path})
    run.log({}, {KIND: "signals", STRATEGY: strategy}, [])
    run.end("FINISHED", now)
    return SignalFile(run.id, NAME, checksum, **summary(joined))


def _has_scores(frame: object) -> bool:
    """Whether these are predictions: the column ``score``, indexed (datetime, instrument)."""
    return (
        isinstance(frame, pd.DataFrame)
        and list(frame.columns) == ["score"]
        and list(frame.index.names) == INDEX
        and not frame.empty
    )
