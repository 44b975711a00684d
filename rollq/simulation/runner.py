"""Simulation from one call: templates kept online over past sessions, on workers of its own, and a page about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rollq.local.attach import attach
from rollq.local.workers import LocalWorkers
from rollq.online.manager import OnlineManager
from rollq.report.frame import check_drawable
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.rounds.trained_round import TrainedRound
from rollq.scheduler.rounds.trainers import DelayTrainer, Trainer
from rollq.simulation.data import OnlineData
from rollq.simulation.page import write_online_page
from rollq.simulation.plan import plan_simulation, refuse_others
from rollq.simulation.report import Seconds, read_online
from rollq.stopwatch import Phase, Update
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import BadInput, RoundFailed, StateError
from rollq.trainers import DelayTrainerR, TrainerR
from rollq.workers.process.machine import this_machine

TIMEOUT = 3_600.0


@dataclass(frozen=True)
class Request:
    """What is to be simulated. ``begin``, ``end``: sessions (``YYYY-MM-DD``); None: as templates and data say.

    ``workers``: processes that are started (None: one per core; 0: those that run already do the work). ``here``: this
    process does the work instead. ``serial``: train each window when its session comes, not all of them together.
    ``step``, ``rtype``: how the templates roll; None: as each says.
    """

    templates: Sequence[Path]
    begin: str | None = None
    end: str | None = None
    name: str | None = None
    workers: int | None = None
    here: bool = False
    serial: bool = False
    report: Path | None = None
    timeout: float = TIMEOUT
    allow_gaps: bool = False
    step: int | str | None = None
    rtype: str | None = None


@dataclass(frozen=True)
class SimulationResult:
    """What a simulation came to. ``trained`` counts the windows that were trained now, ``total`` is in seconds."""

    trained: int
    total: float
    online: OnlineData
    report: Path

    def to_dict(self) -> dict[str, object]:
        """The JSON object of ``rollq simulate --json``."""
        seconds = {"total": round(self.total, 3), **{name: round(value, 3) for name, value in self.online.phases}}
        return {**self.online.to_dict(), "trained": self.trained, "seconds": seconds, "report": str(self.report)}


def run_simulation(settings: Settings, request: Request, phase: Phase, update: Update) -> SimulationResult:
    """Check everything, start what is needed, simulate, publish, and write the page. What is done is not done again.

    Raises:
        BadInput: a template, its data or an option cannot be used; nothing was started.
        Unavailable: the servers or the workers cannot be started, or plotly is not installed.
        StateError: the name belongs to another simulation, or the time is over.
        RoundFailed: a window failed for good.
        CoverageError: the signals have holes.
    """
    began = time.perf_counter()
    _check(request)
    phase("computing features")
    planned = plan_simulation(
        request.templates, settings, request.begin, request.end, request.name, request.step, request.rtype
    )
    with ExitStack() as running:
        phase("starting the stack")
        attached = running.enter_context(attach(settings, serve=True))
        backend = Backend.of(attached)
        running.callback(backend.store.close)
        backend.prepare()
        refuse_others(backend, planned)
        # After the names were checked: workers would begin with whatever waits in the store.
        local = running.enter_context(LocalWorkers(attached, 0 if request.here else _workers(request)))
        watch = Watch(backend, phase, update, local.keep_alive, request.timeout, request.here)
        started = time.perf_counter()
        phase("planning")
        trainer = _trainer(request, watch)
        manager = OnlineManager(planned.strategies, trainer, planned.begin, backend=backend, name=planned.name)
        manager.simulate(planned.end, timeout=request.timeout, progress=watch.planned, allow_gaps=request.allow_gaps)
        seconds = _phases(watch, began, started)
        trained = watch.trained_now()
        phase("writing the page")
        online = read_online(backend, planned, manager.ensemble, seconds)
    report = request.report or attached.state_dir.resolve() / "runs" / planned.name / "online.html"
    write_online_page(online, report)
    return SimulationResult(trained, time.perf_counter() - began, online, report)


class Watch:
    """Sees what the trainers of a simulation do: for the progress bar, for the seconds, and to keep workers alive."""

    def __init__(
        self, backend: Backend, phase: Phase, update: Update, alive: Callable[[], None], timeout: float, here: bool
    ) -> None:
        """The time of the whole simulation begins here: the seconds of each wait are cut from it."""
        self._backend = backend
        self._phase = phase
        self._update = update
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._ids: list[str] = []
        self.alive = alive
        self.here = here
        self._began = backend.store.now()
        self.unheld_at: float | None = None
        self.waited_at: float | None = None

    def planned(self, session: str, _: int) -> None:
        """A session has brought windows."""
        self._phase(f"planned up to {session}")

    def trained(self, trained: TrainedRound) -> None:
        """A round is registered."""
        self._ids += trained.created.ids
        self._update(0, len(self._ids))

    def unheld(self) -> None:
        """Windows may be trained."""
        self._phase("training windows")
        self.unheld_at = self.unheld_at or time.perf_counter()

    def count(self, *_: object) -> None:
        """Show how many windows are finished."""
        states = self._backend.tasks.stat(ids=self._ids)
        self._update(sum(n for state, n in states.items() if state.is_terminal), len(self._ids))

    def trained_now(self) -> int:
        """How many windows were trained since this run began."""
        # By the store's clock, as `_began` is: this machine's may be another.
        tasks = self._backend.tasks.find(ids=list(dict.fromkeys(self._ids)))
        return sum(task.ended_at is not None and task.ended_at >= self._began for task in tasks)

    def waited(self) -> None:
        """A round is gathered."""
        self.waited_at = time.perf_counter()

    def left(self) -> float:
        """Seconds until the time is over."""
        return max(self._end - time.monotonic(), 0.0)

    def _has_worker(self) -> bool:
        return self.here or any(worker.alive for worker in self._backend.worker_registry.workers())

    def late(self) -> StateError | None:
        """What to say when the time is over; None if it is not."""
        if self.left():
            return None
        return StateError(
            f"The simulation is not finished after {self._timeout:g} s.",
            "Run it again: what is done stays done."
            + ("" if self._has_worker() else " No worker is alive: start `rollq worker`, or give --here."),
        )


class _Watched(Trainer):
    """Goes before a class of trainers; tells ``watch`` what they do."""

    # Of the class and not of the object: the manager makes the trainers, and knows nothing of a watch.
    watch: ClassVar[Watch]

    def open_round(self, *args: Any, **kwargs: Any) -> TrainedRound:
        """As the trainer's."""
        trained = super().open_round(*args, **kwargs)
        self.watch.trained(trained)
        return trained

    def start_round(self, trained: TrainedRound) -> TrainedRound:
        """As the trainer's."""
        self.watch.unheld()
        return super().start_round(trained)

    def wait(self, trained: TrainedRound, *_: object, **__: object) -> OnlineSet:
        """As the trainer's, until the time of the whole simulation is over."""
        try:
            online = super().wait(trained, self.watch.left(), self.watch.count)
        except RoundFailed:
            raise
        except StateError as error:
            raise self.watch.late() or error from None
        self.watch.waited()
        return online

    def work(self) -> None:
        """As the trainer's; a dead worker is started again."""
        self.watch.alive()
        super().work()


def _trainer(request: Request, watch: Watch) -> type[Trainer]:
    if request.here:
        base: type[Trainer] = TrainerR if request.serial else DelayTrainerR
    else:
        base = Trainer if request.serial else DelayTrainer
    # The manager makes its trainers itself, one for each strategy, so it is given a class; the watch rides on it.
    return type(base.__name__, (_Watched, base), {"watch": watch})


def _check(request: Request) -> None:
    if request.workers is not None and (request.here or request.workers < 0):
        raise BadInput(
            "--workers and --here exclude each other, and there are no fewer than 0 workers.", "Give one of them."
        )
    if request.timeout <= 0:
        raise BadInput(f"--timeout: {request.timeout:g} seconds are not possible.", "Give more than 0.")
    if request.report is not None and request.report.is_dir():
        raise BadInput(f"--report: {request.report} is a folder.", "Give the name of a file, such as online.html.")
    check_drawable()


def _workers(request: Request) -> int:
    return this_machine().cores if request.workers is None else request.workers


def _phases(watch: Watch, began: float, started: float) -> Seconds:
    """What took how long; where windows were trained one by one, planning them belongs to their training."""
    end = time.perf_counter()
    unheld = watch.unheld_at or end
    waited = watch.waited_at or unheld
    return Seconds(
        setup=started - began,
        planning=unheld - started,
        training=waited - unheld,
        publishing=end - waited,
        trained=watch.trained_now() > 0,
    )
