"""The worker's side of messages: the Celery task that trains, and the life of a worker's processes."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from billiard import pool as billiard_pool
from celery import Celery, Task, signals

from rollq.tasks.backend import Backend
from rollq.tasks.broker.messages import TRAIN, check_arguments
from rollq.tasks.components.source import changed_since_loaded, forget_changed
from rollq.tasks.errors import RollqError
from rollq.tasks.ingredients.code_check import is_stale
from rollq.tasks.logs import setup_logging
from rollq.tasks.upkeep.sweeper import SweepTimer
from rollq.workers.jobs.attempt import Run, WorkerContext, serve
from rollq.workers.process.capacity import available_resources
from rollq.workers.process.drain import Asked, DrainFlag
from rollq.workers.process.exit_watch import PoolWatch
from rollq.workers.process.names import host, worker_name
from rollq.workers.process.watchdog import ConsumerHeartbeat, Watchdog, ask_for_restart, restarts

log = logging.getLogger(__name__)

BEGINS_ANEW = 0  # exit code of a pool process whose code is older than a task's; nothing else ends one with it
LOST = f"Worker exited prematurely: exitcode {BEGINS_ANEW}."
EX_FAILURE = 1  # Celery's exit code for an error that it has no answer to
# Imported by each pool process before its first task; never by the parent, which forks (LightGBM hangs after a fork).
WARM_UP = (
    "lightgbm",
    "mlflow",
    "rollq.workers.models.lightgbm",
    "rollq.workers.datasets.panel",
    "rollq.workers.records.analysis",
)


class WorkerLife:
    """What one ``rollq worker`` holds: its backend, its sweeper, and the flag that drains its pool processes.

    Args:
        run: what to do with a claim; by default it is trained.
        periodic: what else its main process does with every sweep.
    """

    def __init__(self, backend: Backend, run: Run | None = None, periodic: Sequence[Callable[[], object]] = ()) -> None:
        """What does not change while the worker lives is read here, in the main process, and inherited by its forks."""
        self.backend = backend
        self.run = run
        self._periodic = periodic
        self.available = available_resources(backend.settings)
        self.watch = PoolWatch()
        self.main_pid = os.getpid()
        self.name = f"{host()}/{self.main_pid}"
        self.drain = DrainFlag()
        self.asked = Asked(self.drain, lambda: self._busy)
        # Asked now, because Celery puts a handler of its own in its place before the worker is ready.
        self._ignores_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as under nohup
        self.consumer = ConsumerHeartbeat()
        self.restart_wanted = False
        self._sweeper: SweepTimer | None = None
        self._drain_timer: threading.Timer | None = None
        self._busy = False

    def register(self, app: Celery) -> None:
        """Add the training task to ``app`` and listen to the life of the worker."""
        app.task(name=TRAIN, shared=False)(self.train)
        signals.worker_process_init.connect(self.on_process_start, weak=False)
        signals.task_prerun.connect(self.on_message, weak=False)
        signals.worker_ready.connect(self.on_ready, weak=False)
        signals.worker_shutting_down.connect(self.on_shutting_down, weak=False)

    def train(self, pool: object, task_id: object) -> None:
        """Handle a message: train the task, or the best one that waits. A message that makes no sense is dropped."""
        self._busy = True
        try:
            name, ident = check_arguments(TRAIN, (pool, task_id))
            queues = self.backend.settings.queues
            context = WorkerContext(
                worker_name(self.main_pid), queues, self.gives_back, self.drain.is_begun, self.available, self.run
            )
            serve(self.backend, name, ident, context)
        except RollqError as error:
            log.warning("the message could not be served, the sweeper notifies again: %s", error)
        finally:
            self._busy = False
        # What this process held is committed or given back by now. Celery calls the process lost all the same: the
        # message is not over for it (`_is_worth_telling` keeps that out of the log).
        self._begin_anew_if_stale()

    def gives_back(self) -> bool:
        """Whether this pool process gives its task back now."""
        return self.drain.is_raised() or self.asked.alone()

    def on_process_start(self, **_: object) -> None:
        """A pool process starts: import what trains, with one thread each."""
        setup_logging(self.backend.settings.log_level, self.backend.settings.log_format)
        # A stopping process waits until the main one has counted its results, which sometimes misses one: for 30 s. Our
        # results say nothing, so a second is enough.
        billiard_pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10
        # A main process that is killed by SIGKILL cannot tell its children; without this thread they would train on,
        # unseen by every sweep of their host.
        threading.Thread(target=self._end_with_parent, name="rollq-parent", daemon=True).start()
        forget_changed()
        for name in WARM_UP if self.run is None else ():
            importlib.import_module(name)

    def on_message(self, task: Task | None = None, args: Sequence[object] = (), **_: object) -> None:
        """A pool process has received a message, of whatever kind."""
        self.asked.listen()  # not before: billiard sets its own signal handlers when a process has started
        self.consumer.beat()
        if task is not None and task.name != TRAIN and changed_since_loaded():
            self.backend.notifier.repeat(task.name, list(args))  # for a process that has the code of now
            raise SystemExit(BEGINS_ANEW)

    def _begin_anew_if_stale(self) -> None:
        """End this process, so that another one takes its place and imports the code as it is now."""
        if is_stale():
            log.info("this process begins anew: the code of a component was changed")
            raise SystemExit(BEGINS_ANEW)

    def on_ready(self, sender: object = None, **_: object) -> None:
        """The main process starts to sweep."""
        self._handle_signals()
        # The pool exists only from here on, and the first of its processes were forked before it could be watched.
        logging.getLogger("celery.worker.request").addFilter(_is_worth_telling)
        self.watch = PoolWatch(getattr(getattr(sender, "pool", None), "_pool", None))
        periodic = [self.heartbeat, self._watchdog().look, *self._periodic]
        self._sweeper = SweepTimer(self.backend, self.name, self.dead_processes, periodic, self.deregister)
        self._sweeper.start()

    def on_shutting_down(self, how: str = "Warm", **_: object) -> None:
        """SIGTERM: running tasks may finish for ``drain_seconds``; then they are given back, or at once if asked again.

        It is called within a signal handler: the store is told by a thread.
        """
        # Read before the flag is raised: a second signal means that the person or supervisor who sends it has no
        # patience left.
        again = self.drain.is_begun()
        self.drain.begin()
        if self._sweeper:
            self._sweeper.stop()
        if again or how == "Cold":
            self.drain.raise_()
        signal.signal(signal.SIGINT, lambda *_: self.drain.raise_())  # Celery's would wait for the tasks in the handler
        if self._drain_timer is None:
            self._drain_timer = threading.Timer(self.backend.settings.drain_seconds, self.drain.raise_)
            # A worker whose tasks end early must not live on until the timer fires.
            self._drain_timer.daemon = True
            self._drain_timer.start()
            threading.Thread(target=self._tell_store, name="rollq-stopping", daemon=True).start()

    def _tell_store(self) -> None:
        """Should this worker be killed before it has given everything back: it was asked to end, that is no loss."""
        try:
            self.backend.tasks.excuse(f"{self.name}/")
        except RollqError as error:
            log.warning("the store does not know that this worker was asked to end: %s", error)

    def _handle_signals(self) -> None:
        """A terminal that is closed asks the worker to end, as SIGTERM does; SIGQUIT, to end at once."""
        end = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN if self._ignores_hangup else end)

        def end_now(number: int, frame: FrameType | None) -> None:
            self.drain.raise_()
            if callable(end):
                end(number, frame)

        signal.signal(signal.SIGQUIT, end_now)

    def stumbled(self, code: int) -> bool:
        """Whether the worker was at work and ended with this exit code without being told to stop.

        Celery does so when it meets an error that it has no answer to, such as a socket that is gone between two steps,
        and when one of its processes was killed before it began to listen.
        """
        return code == EX_FAILURE and self._sweeper is not None and self._drain_timer is None

    def exit_code(self, code: int) -> int:
        """The worker's exit code, from Celery's: Celery calls it a failure when Ctrl-C told it to stop."""
        return 0 if code == EX_FAILURE and self._drain_timer is not None else code

    def heartbeat(self) -> None:
        """Register this worker, or say that it still lives."""
        settings = self.backend.settings
        self.backend.worker_registry.heartbeat(
            self.name, settings.queues, settings.concurrency, self.available, restarts()
        )

    def deregister(self) -> None:
        """Remove this worker from the registry."""
        self.backend.worker_registry.deregister(self.name)

    def dead_processes(self) -> dict[str, str]:
        """Names of this worker's pool processes that hold tasks and do not live any more, and how each ended."""
        self.watch.look()
        holders = self.backend.tasks.holders(f"{self.name}/")
        ends = {name: self.watch.ended(int(name.rpartition("/")[2])) for name in holders}
        return {name: end for name, end in ends.items() if end is not None}

    def _watchdog(self) -> Watchdog:
        settings, notifier, tasks = self.backend.settings, self.backend.notifier, self.backend.tasks
        return Watchdog(
            self.consumer,
            lambda: notifier.waiting(settings.queues),
            lambda: not tasks.holders(f"{self.name}/"),
            settings.watchdog_seconds,
            self._restart,
        )

    def _restart(self) -> None:
        self.restart_wanted = True
        ask_for_restart(self.watch.pids)

    def _end_with_parent(self) -> None:
        """End this process once the main process was killed and no task is at hand."""
        pause = threading.Event()
        while os.getppid() == self.main_pid or self._busy:
            pause.wait(0.5)
        os._exit(0)


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """Celery calls a pool process lost that has ended on purpose, and shows a traceback of its own."""
    return LOST not in record.getMessage()
