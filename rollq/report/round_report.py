"""From the store and MLflow to the report's data, and the signals to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from rollq.report.data import ReportData, Window
from rollq.report.markdown import write_markdown
from rollq.report.page import write_report
from rollq.scheduler.champions.comparison import Comparison
from rollq.scheduler.champions.research import is_research
from rollq.scheduler.online.online_set import SignalFile
from rollq.scheduler.rounds.findings import Findings, findings, name_of
from rollq.scheduler.rounds.portfolios import Portfolio, joined_portfolios, makes_portfolio
from rollq.scheduler.rounds.results import load_daily_ic
from rollq.scheduler.signals.files import read_signals
from rollq.tasks.backend import Backend
from rollq.tasks.predictions.window_metrics import WindowMetrics
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.rolling.members.role import HORIZON, role_of
from rollq.tasks.rounds.documents import Round
from rollq.tasks.tracking.mlflow.experiment import find_run
from rollq.workers.process.machine import this_machine

NONE: Mapping[str, str] = MappingProxyType({})
LIBRARIES = ("rollq", "celery", "mlflow-skinny", "lightgbm", "pandas", "pymongo")


def export_signals(backend: Backend, pool: str, signals: SignalFile, folder: Path) -> dict[str, object]:
    """Copy the signals of a round into ``folder``; returns ``{path, rows, start, end, sha256}``."""
    recorder = find_run(signals.recorder_id, backend.settings.mlflow_uri)
    path = folder / "signals.parquet"
    # Byte for byte, so that the checksum in the ledger is that of the copy, too.
    path.write_bytes(Path(recorder.load_object(signals.artifact)).read_bytes())
    known = {name: getattr(signals, name) for name in ("rows", "start", "end", "sha256")}
    return {"path": str(path), **known}


def daily_ic(backend: Backend, tasks: list[Task]) -> pd.DataFrame:
    """Daily ``ic`` and ``rank_ic`` of all windows, indexed by datetime; empty if none was analysed.

    Of several horizons they are those of the first; of models that each have rows of their own, their means.
    """
    measured = _of_first_horizon(backend, tasks)
    frames = [load_daily_ic(backend.settings.mlflow_uri, task) for task in measured if task.committed is not None]
    known = [frame for frame in frames if frame is not None]
    joined = pd.concat(known).sort_index() if known else pd.DataFrame(columns=["ic", "rank_ic"])
    return joined if joined.index.is_unique else joined.groupby(level=0).mean()


def _of_first_horizon(backend: Backend, tasks: list[Task]) -> list[Task]:
    if not any(HORIZON in task.member for task in tasks):
        return tasks
    found = backend.tasks.find(ids=[task.id for task in tasks], definitions=True)
    return [task for task in found if not role_of(task.definition).order]


def make_report(
    backend: Backend,
    title: str,
    tasks: list[Task],
    came_to: Findings,
    online: str,
    phases: tuple[tuple[str, float], ...],
    daily: pd.DataFrame,
    path: Path,
    compared: Sequence[Comparison] = (),
    apart: Mapping[str, str] = NONE,
) -> Path:
    """Write the report of a round: HTML, or Markdown if ``path`` ends so.

    Args:
        came_to: signals and metrics of the round.
        online: what of it serves, as text.
        compared: the model with each of its challengers.
        apart: why a challenger is not compared, by its name.

    Raises:
        Unavailable: plotly, which draws the charts of HTML, is not installed.
    """
    counted = {task.id for task in _of_first_horizon(backend, tasks)}
    windows = [_window(number, task, task.id in counted) for number, task in enumerate(tasks, 1)]
    data = ReportData(
        title=title,
        pool=tasks[0].pool,
        generated_at=datetime.now(UTC),
        windows=windows,
        daily=daily,
        phases=list(phases),
        metrics=came_to.metrics,
        better=came_to.better,
        portfolios=_portfolios(backend, tasks, came_to),
        compared=compared,
        apart=apart,
        signals=asdict(came_to.signals),
        online=online,
        versions={name: version(name) for name in LIBRARIES},
        cores=this_machine().cores,
    )
    return write_markdown(data, path) if path.suffix == ".md" else write_report(data, path)


def report_round(backend: Backend, found: Round, path: Path) -> Path:
    """Write the report of a gathered round that is looked at later. Raises as ``findings`` and ``make_report``."""
    came_to = findings(backend, found)
    tasks = backend.tasks.find(ids=found.task_ids)
    online = "nothing, it is research" if is_research(found) else f"{name_of(found)}, by round {found.id}"
    return make_report(
        backend, f"{name_of(found)}, round {found.id}", tasks, came_to, online, _phases(tasks, found),
        daily_ic(backend, tasks), path,
    )  # fmt: skip


def _portfolios(backend: Backend, tasks: list[Task], came_to: Findings) -> list[Portfolio]:
    """Those of the joined signals; nothing is read, where no record made one."""
    uri = backend.settings.mlflow_uri
    measured = [task for task in _of_first_horizon(backend, tasks) if makes_portfolio(task)]
    if not measured:
        return []
    recorder = find_run(came_to.signals.recorder_id, uri)
    return joined_portfolios(uri, measured, read_signals(recorder.load_object(came_to.signals.artifact)))


def _phases(tasks: list[Task], found: Round) -> tuple[tuple[str, float], ...]:
    """How long the windows took, from the first start to the last end, and then the gathering."""
    starts = [task.started_at for task in tasks if task.started_at]
    ends = [task.ended_at for task in tasks if task.ended_at]
    if not starts or not ends or not found.finished_at:
        return ()
    gathering = max((found.finished_at - max(ends)).total_seconds(), 0.0)
    return (("training", (max(ends) - min(starts)).total_seconds()), ("gathering", gathering))


def _window(number: int, task: Task, counts: bool) -> Window:
    """What the report says of a task. The worker is that of its last attempt: a finished task names none any more.

    ``counts``: its metrics are among those of the round.
    """
    segments = task.segments
    ran = next((entry.by for entry in reversed(task.history) if entry.end is TaskState.RUNNING), "")
    return Window(
        index=number,
        task_id=task.id,
        train=segments.get("train", (None, None)),
        valid=segments.get("valid", (None, None)),
        test=segments.get("test", (None, None)),
        worker=ran,
        started_at=task.started_at,
        ended_at=task.ended_at,
        attempts=task.attempts,
        status=str(task.status),
        metrics=(task.result or {}).get("metrics", {}),
        member=task.member,
        pooled=WindowMetrics.of_result(task.result or {}).values,
        counts=counts,
    )
