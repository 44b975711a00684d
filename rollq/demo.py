"""The demo: the whole main job from one call, through the same code path as production."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rollq.enqueueing import enqueue_research, load_strategy
from rollq.local.attach import attach
from rollq.local.workers import LocalWorkers
from rollq.scheduler.champions.comparison import Comparison
from rollq.scheduler.champions.research import compare_rounds
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.rounds.trained_round import TrainedRound
from rollq.scheduler.rounds.trainers import DelayTrainer
from rollq.stopwatch import Phase, Stopwatch, Update, counter
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import CoverageError, NotFound, RoundFailed
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rolling.template_names import check_name
from rollq.tasks.rounds.documents import Round
from rollq.workers.process.machine import this_machine

TEMPLATE = Path("pse") / "lightgbm.yaml"
# A demo that takes longer than an hour hangs.
TIMEOUT = 3_600.0


@dataclass(frozen=True)
class DemoResult:
    """What a demo came to. ``phases`` are (name, seconds); ``total`` is from start to signals; ``compared`` is the
    model with each challenger of the template, which are trained after that; ``apart`` says why one is not compared.
    """

    pool: str
    strategy: str
    version: int
    windows: int
    done: int
    failed: int
    workers: int
    busy: float
    total: float
    train_sum: float
    gather: float
    phases: tuple[tuple[str, float], ...]
    metrics: dict[str, float]
    signals: dict[str, object]
    report: Path
    mlflow_uri: str
    compared: tuple[Comparison, ...] = ()
    apart: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """The JSON object of ``rollq demo --json``."""
        return {
            "pool": self.pool,
            "windows": self.windows,
            "done": self.done,
            "failed": self.failed,
            "workers": self.workers,
            "busy": round(self.busy, 4),
            "online_set": {"strategy": self.strategy, "version": self.version},
            "seconds": {
                "total": round(self.total, 3),
                "train_sum": round(self.train_sum, 3),
                "gather": round(self.gather, 3),
                "phases": {name: round(value, 3) for name, value in self.phases},
            },
            "metrics": self.metrics,
            "signals": self.signals,
            "report": str(self.report),
            "mlflow_uri": self.mlflow_uri,
            "compared": [found.to_dict() for found in self.compared],
            "apart": dict(self.apart),
        }


def run_demo(
    settings: Settings, template: Path | None, workers: int | None, pool: str | None, phase: Phase, update: Update
) -> DemoResult:
    """Start what is needed, train every window, gather, compare with the template's challengers, and report.

    Raises:
        BadInput: the template cannot be used.
        Unavailable: the servers or the workers cannot be started.
        RoundFailed: a window failed for good.
    """
    path = template or example(TEMPLATE)
    if pool is not None:
        check_name(pool, "--pool")
    count = workers or this_machine().cores
    clock = Stopwatch(phase)
    with ExitStack() as running:
        clock.start("starting the stack")
        attached = running.enter_context(attach(settings, serve=True))
        backend = Backend.of(attached)
        backend.prepare()
        local = running.enter_context(LocalWorkers(attached, count))
        # Workers start meanwhile: they import their libraries while this process computes the panel that they will
        # share.
        clock.start("computing features and windows")
        strategy = load_strategy(path, attached)
        # A pool of its own for each run: a demo that found its windows trained already would show nothing.
        name = pool or f"{strategy.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        plan, trainer = strategy.plan(), DelayTrainer(name, backend=backend)
        trained = trainer.start_round(trainer.open_round(plan.definitions, plan.purpose, options=plan.options))
        clock.start("training windows")
        online = trainer.wait(trained, TIMEOUT, counter(update), local.keep_alive)
        total = clock.stop()
        phases = tuple(clock.done)
        compared: list[Comparison] = []
        apart: dict[str, str] = {}
        for challenger, other in enqueue_research(strategy, backend, name, leave_out=(BASE,)).items():
            phase(f"training {challenger}")
            try:
                found = trainer.wait_gathered(other, TIMEOUT, counter(update), local.keep_alive)
                compared.append(compare_rounds(backend, backend.rounds.get(trained.id), found))
            except (CoverageError, RoundFailed) as error:  # what serves is there, whatever becomes of a challenger
                apart[challenger] = str(error)
        return _result(backend, trained, online, phases, total, count, tuple(compared), apart)


def example(name: Path) -> Path:
    """A template that ships with rollq: beside the packages in a checkout, inside them in an installed wheel.

    Raises:
        NotFound: it is in neither place.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "examples", here.parent / "examples"):
        if (folder / name).exists():
            return folder / name
    raise NotFound(f"The example {name} is not installed.", "Give a template with --template.")


def _result(
    backend: Backend,
    trained: TrainedRound,
    online: OnlineSet,
    measured: tuple[tuple[str, float], ...],
    total: float,
    workers: int,
    compared: tuple[Comparison, ...],
    apart: Mapping[str, str],
) -> DemoResult:
    """Read back from store and MLflow what the round came to, and write signals and report beside each other."""
    from rollq.report.round_report import daily_ic, export_signals, make_report
    from rollq.scheduler.rounds.findings import findings

    tasks = backend.tasks.find(ids=trained.created.ids)
    found = backend.rounds.get(trained.id)
    gather = _gather_seconds(tasks, found)
    # Gathering is the end of the last phase; the clock saw only that the waiting was over.
    phases = (*measured[:-1], ("training", max(measured[-1][1] - gather, 0.0)), ("gathering", gather))
    folder = backend.settings.state_dir.resolve() / "runs" / trained.pool
    folder.mkdir(parents=True, exist_ok=True)
    came_to, serves = findings(backend, found), f"{online.strategy} version {online.version}"
    signals = export_signals(backend, online.pool, came_to.signals, folder)
    report = make_report(
        backend, online.strategy, tasks, came_to, serves, phases, daily_ic(backend, tasks), folder / "report.html",
        compared, apart,
    )  # fmt: skip
    states = [task.status for task in tasks]
    return DemoResult(
        pool=trained.pool,
        strategy=online.strategy,
        version=online.version,
        windows=len(tasks),
        done=states.count(TaskState.DONE),
        failed=len(states) - states.count(TaskState.DONE),
        workers=workers,
        busy=_busy(tasks, workers),
        total=total,
        train_sum=sum(_seconds(task) for task in tasks),
        gather=gather,
        phases=phases,
        metrics=online.metrics,
        signals=signals,
        report=report,
        mlflow_uri=backend.settings.mlflow_uri,
        compared=compared,
        apart=apart,
    )


def _seconds(task: Task) -> float:
    """How long the attempt that committed took."""
    return (task.ended_at - task.started_at).total_seconds() if task.ended_at and task.started_at else 0.0


def _busy(tasks: list[Task], workers: int) -> float:
    """Part of the training phase that the workers spent on windows."""
    starts = [task.started_at for task in tasks if task.started_at]
    ends = [task.ended_at for task in tasks if task.ended_at]
    if not starts or not ends:
        return 0.0
    span = (max(ends) - min(starts)).total_seconds()
    return min(1.0, sum(map(_seconds, tasks)) / (span * workers)) if span > 0 else 0.0


def _gather_seconds(tasks: list[Task], found: Round) -> float:
    """From the end of the last window to the new online set."""
    ends = [task.ended_at for task in tasks if task.ended_at]
    if not ends or not found.finished_at:
        return 0.0
    return max((found.finished_at - max(ends)).total_seconds(), 0.0)
