"""Runs as the rows of a table, with the columns of ``mlflow.search_runs``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from mlflow.entities import Run

from rollq.tasks.tracking.mlflow.names import unescape


def records_of(runs: Iterator[Run]) -> pd.DataFrame:
    """Runs as rows; what a run does not have is missing in its row. Times are UTC."""
    frame = pd.DataFrame([_row(run) for run in runs])
    if frame.empty:
        return pd.DataFrame(columns=["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"])
    for name in ("start_time", "end_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    # Run columns first, then metrics, params and tags by name: in the order of the rows it would change from page to
    # page.
    fixed = [name for name in frame.columns if "." not in name]
    return frame[fixed + sorted(set(frame.columns) - set(fixed))]


def _row(run: Run) -> dict[str, object]:
    """A run as a row of the table of runs, under MLflow's column names."""
    info = run.info
    fixed = {
        "run_id": info.run_id,
        "experiment_id": info.experiment_id,
        "status": info.status,
        "artifact_uri": info.artifact_uri,
        "start_time": info.start_time,
        "end_time": info.end_time,
    }
    parts: dict[str, Mapping[str, object]] = {
        "metrics": run.data.metrics,
        "params": run.data.params,
        "tags": run.data.tags,
    }
    more = {f"{part}.{unescape(name)}": value for part, values in parts.items() for name, value in values.items()}
    return {**fixed, **more}
