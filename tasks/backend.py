"""The task store, its rounds and the notifier, wired together from the settings."""

from __future__ import annotations

import os
from dataclasses import dataclass

from celery import Celery

from rollq.tasks.backfills.ledger import Backfills
from rollq.tasks.broker.celery_app import make_app
from rollq.tasks.broker.notifier import Notifier
from rollq.tasks.config.settings import Settings, load_settings
from rollq.tasks.errors import Unavailable
from rollq.tasks.mongo.client import Store
from rollq.tasks.mongo.layout import check_layout
from rollq.tasks.queue.task_queue import TaskQueue
from rollq.tasks.queue.worker_registry import WorkerRegistry
from rollq.tasks.rounds.gather_notifier import GatherNotifier
from rollq.tasks.rounds.rounds import Rounds
from rollq.tasks.runtime import find_running
from rollq.tasks.tracking_home import settled


@dataclass(frozen=True)
class Backend:
    """What every process of rollq works with."""

    settings: Settings
    store: Store
    tasks: TaskQueue
    rounds: Rounds
    worker_registry: WorkerRegistry
    backfills: Backfills
    notifier: Notifier
    gather_notifier: GatherNotifier
    app: Celery

    @classmethod
    def of(cls, settings: Settings) -> Backend:
        """Wire everything; no server is asked before the first use.

        Raises:
            Unavailable: no task store is configured.
        """
        store = Store.of(settings)
        tasks, rounds, app = TaskQueue(store, settings), Rounds(store, settings), make_app(settings)
        worker_registry = WorkerRegistry(store, settings)
        backfills = Backfills(store, settings, tasks)
        notifier = Notifier(settings, tasks, app)
        return cls(
            settings,
            store,
            tasks,
            rounds,
            worker_registry,
            backfills,
            notifier,
            GatherNotifier(rounds, tasks.reader, notifier),
            app,
        )

    @classmethod
    def connect(cls, settings: Settings | None = None) -> Backend:
        """The servers that the settings name, or those of the stack that runs in the state folder, ready for use.

        After ``rollq.init`` all that are given no settings share one.

        Raises:
            Unavailable: there are none, or they do not answer.
        """
        if settings is None and (shared := shared_backend()):
            return shared
        found = settings or load_settings()
        if not found.mongo_uri:
            runtime = find_running(found.state_dir)
            if runtime is None:
                raise Unavailable(
                    f"No rollq stack is running in {found.state_dir} and no servers are configured.",
                    "Start one: `rollq up`, or `rollq.init()` in a script. Or set ROLLQ_MONGO_URI and ROLLQ_REDIS_URL.",
                )
            found = runtime.settings(found)
        made = cls.of(settled(found))
        made.prepare()
        return made

    def prepare(self) -> None:
        """Make the indexes; called once by the process that starts.

        Raises:
            StateError: another version wrote the database.
            Unavailable: the store does not answer.
        """
        self.store.ping()
        # Before the indexes are made: a database of another layout is not touched.
        check_layout(self.store)
        self.tasks.ensure_indexes()
        self.rounds.ensure_indexes()
        self.backfills.ensure_indexes()
        self.worker_registry.ensure_indexes()


_shared: list[tuple[int, Backend]] = []  # none or one, with the process that it is of: connections survive no fork


def shared_backend() -> Backend | None:
    """What all of this process share that connect without settings; None if each has its own."""
    return _shared[0][1] if _shared and _shared[0][0] == os.getpid() else None


def share(backend: Backend | None) -> None:
    """Let all of this process share a backend that connect without settings; None: each has its own again."""
    _shared[:] = [] if backend is None else [(os.getpid(), backend)]
