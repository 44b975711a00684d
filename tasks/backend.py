"""The task store, its rounds and the doorbell, wired together from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from celery import Celery

from tasks.pools import TaskPools
from tasks.queue import Doorbell, make_app
from tasks.rounds import Rounds
from tasks.settings import Settings
from tasks.store import Store


@dataclass(frozen=True)
class Backend:
    """What every process of rollq works with."""

    settings: Settings
    store: Store
    tasks: TaskPools
    rounds: Rounds
    doorbell: Doorbell
    app: Celery

    @classmethod
    def of(cls, settings: Settings) -> Backend:
        """Wire everything; no server is asked before the first use.

        Raises:
            Unavailable: no task store is configured.
        """
        store = Store.of(settings)
        tasks, rounds, app = TaskPools(store, settings), Rounds(store, settings), make_app(settings)
        return cls(settings, store, tasks, rounds, Doorbell(settings, tasks, rounds, app), app)

    def prepare(self) -> None:
        """Make the indexes; called once by whoever starts.

        Raises:
            Unavailable: the store does not answer.
        """
        self.store.ping()
        self.tasks.ensure_indexes()
        self.rounds.ensure_indexes()
