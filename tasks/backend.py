"""The task store, its rounds and the doorbell, wired together from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from celery import Celery

from tasks.manager import TaskManager
from tasks.queue import Doorbell, make_app
from tasks.rounds import Rounds
from tasks.settings import Settings
from tasks.store import Store


@dataclass(frozen=True)
class Backend:
    """What every process of rollq works with."""

    settings: Settings
    store: Store
    manager: TaskManager
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
        manager, rounds, app = TaskManager(store, settings), Rounds(store, settings), make_app(settings)
        return cls(settings, store, manager, rounds, Doorbell(settings, manager, rounds, app), app)

    def prepare(self) -> None:
        """Make the indexes; called once by whoever starts.

        Raises:
            Unavailable: the store does not answer.
        """
        self.store.ping()
        self.manager.ensure_indexes()
        self.rounds.ensure_indexes()
