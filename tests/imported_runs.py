"""Imports of recorded runs, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path

from rollq import Backend, MLflowExperiment
from rollq.migration.importer import Importer
from rollq.migration.opening import open_source
from rollq.migration.report import ExperimentLine, Report
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder

_numbers = count()


def new_name() -> str:
    """A name of no other test."""
    return f"qlib{next(_numbers)}"


def imported(
    backend: Backend,
    runs: Path,
    experiment: str = "daily",
    to: str = "",
    dry_run: bool = False,
    qlib_init: Mapping[str, object] | None = None,
) -> Report:
    """Import an experiment under a name of its own."""
    source = open_source(str(runs))
    try:
        made = Importer(backend, source, str(runs), "me", dry_run, qlib_init)
        return made.run([experiment], to or new_name())
    finally:
        source.close()


def recorders(backend: Backend, line: ExperimentLine) -> list[MLflowRecorder]:
    """What was imported."""
    experiment = MLflowExperiment.open(line.to, backend.settings.mlflow_uri)
    return [experiment.get_recorder(one.recorder_id) for one in line.runs if one.recorder_id]
