"""The strategies that an online manager keeps: how they are registered, and how far they have come."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from functools import partial

from rollq.scheduler.rounds.trainers import Trainer, trainer_for
from rollq.scheduler.routine.ledger import Routines
from rollq.scheduler.routine.registration import register_strategy
from rollq.scheduler.routine.reset import check_simulated, reset
from rollq.scheduler.routine.steps import Job
from rollq.scheduler.signals.joint import JointSignals
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.keywords import Keywords
from rollq.scheduler.strategies.managers import add_strategies, remove_manager, strategies_of
from rollq.scheduler.strategies.registry import RegisteredStrategy, StrategyRegistry, know
from rollq.tasks.backend import Backend

Strategies = OnlineStrategy | Sequence[OnlineStrategy]


def listed(strategies: Strategies) -> list[OnlineStrategy]:
    """One, or several, as a list."""
    return [strategies] if isinstance(strategies, OnlineStrategy) else list(strategies)


class Kept:
    """The strategies of one manager.

    Args:
        backend: the servers.
        manager: its name.
        trainer: an object or a class; each pool has one of its kind.
    """

    def __init__(self, backend: Backend, manager: str, trainer: Trainer | type[Trainer]) -> None:
        self._backend = backend
        self._manager = manager
        self._trainer = trainer
        self.registry = StrategyRegistry(backend)
        self.by = f"{socket.gethostname()}/{os.getpid()}"
        self.strategies: list[OnlineStrategy] = []
        self._begins: dict[str, tuple[str | None, str]] = {}  # first session, and the first one published, as given

    def add(self, strategies: Sequence[OnlineStrategy], begin: str | None, published_from: str = "") -> None:
        """Register strategies, and write down that the manager keeps them. Raises as ``register_strategy``.

        Args:
            begin: their first session; on a day that is none it is the next one.
            published_from: signals of earlier sessions are not published.
        """
        pool = None if isinstance(self._trainer, type) else self._trainer.task_pool
        for strategy in strategies:
            strategy.use(self._backend, pool)
            know(type(strategy))
            self._begins[strategy.name] = begin, published_from
            self._register(strategy)
            self.strategies = [*(one for one in self.strategies if one.name != strategy.name), strategy]

    def entry(self, strategy: OnlineStrategy) -> RegisteredStrategy:
        """The entry of a strategy in the registry; made again after a reset."""
        return self.registry.find(strategy.name) or self._register(strategy)

    def first(self, strategy: OnlineStrategy) -> str:
        """The first session of a strategy."""
        return self._next(strategy, self.entry(strategy).begin)

    def reset(self, *, live: bool) -> None:
        """Forget what the strategies did online, and those that others have added to this manager.

        Raises:
            StateError: one of them is live, unless ``live`` says that this does not matter; nothing was changed.
        """
        stored = strategies_of(self._backend.store, self._manager) or ()
        names = sorted({*stored, *(strategy.name for strategy in self.strategies)})
        entries = [found for name in names if (found := self.registry.find(name))]
        for entry in () if live else entries:
            check_simulated(self._backend, entry.name)
        SignalLedger(self._backend).forget(self.joint().name)
        for entry in entries:
            reset(self._backend, entry)
        remove_manager(self._backend.store, self._manager)

    def reached(self) -> str:
        """The last session that was done; empty if none was."""
        routines = Routines(self._backend)
        return max((routines.done(strategy.name).last() for strategy in self.strategies), default="")

    def jobs(self, keywords: Keywords, *, allow_gaps: bool) -> list[Job]:
        """What a simulation works with."""
        found = []
        for strategy in self.strategies:
            entry = self.entry(strategy)
            trainer = trainer_for(self._trainer, self._backend, entry.pool)
            job = Job(self._backend, entry, strategy, trainer, entry.begin, self.by, allow_gaps, keywords=keywords)
            found.append(job)
        return found

    def keywords(self, tasks: Mapping[str, object] | None, models: Mapping[str, object] | None) -> Keywords:
        """Keywords of the strategies' methods, once each was found to take them. Raises as ``Keywords.check``."""
        made = Keywords(dict(tasks or {}), dict(models or {}))
        made.check(self.strategies)
        return made

    def joint(self) -> JointSignals:
        """The signals of all of them together."""
        names = tuple(strategy.name for strategy in self.strategies)
        return JointSignals(self._backend, f"{self._manager}:ensemble", names, self.strategies[0].pool)

    def _register(self, strategy: OnlineStrategy) -> RegisteredStrategy:
        """Write it into the registry, and that the manager keeps it."""
        begin, published_from = self._begins[strategy.name]
        first = self._next(strategy, begin) if begin else None
        register = partial(register_strategy, self._backend, strategy, self.by, begin=first)
        made = register(delayed=self._trainer.delay, published_from=published_from)
        add_strategies(self._backend.store, self._manager, [strategy.name])
        return made

    @staticmethod
    def _next(strategy: OnlineStrategy, begin: str) -> str:
        return next((day for day in strategy.sessions() if day >= begin), begin)
