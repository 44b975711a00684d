"""OnlineManager: keeps several strategies online at once. All of its state is in MongoDB."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Unpack

import pandas as pd

from rollq.scheduler.collect.collectors import Collector, MergeCollector
from rollq.scheduler.collect.ensembles import AverageEnsemble
from rollq.scheduler.collect.options import CollectorOptions
from rollq.scheduler.collect.values import Frame
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.rounds.trainers import DelayTrainer, Trainer, trainer_for
from rollq.scheduler.routine.driver import bring_up_to
from rollq.scheduler.routine.ledger import Routine, RoutineState
from rollq.scheduler.routine.registration import register_strategy
from rollq.scheduler.routine.simulation import Progress, Simulation
from rollq.scheduler.routine.steps import Job
from rollq.scheduler.signals.joint import JointSignals
from rollq.scheduler.signals.ledger import SignalEntry, SignalLedger
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.managers import add_strategies, strategies_of
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound, RoundFailed, StateError

TrainerType = Trainer | type[Trainer]


class OnlineManager:
    """Trains strategies, says which models serve, and publishes their signals.

    Args:
        backend: the servers.
        strategies: what is kept online; more can be added later.
        trainer: ``Trainer``, ``DelayTrainer``, or one that works in this process.
        begin: the first session (``YYYY-MM-DD``); None: as the strategies' templates say, or the last of the data.
        name: of this manager; ``OnlineManager.load(backend, name)`` goes on with it, on any machine.

    Raises:
        StateError: a strategy of that name is online with another template.
        BadInput: a template or its data cannot be used.
    """

    def __init__(
        self,
        backend: Backend,
        strategies: OnlineStrategy | Sequence[OnlineStrategy],
        trainer: TrainerType = DelayTrainer,
        begin: str | None = None,
        name: str = "online",
    ) -> None:
        """Strategies are registered in the store at once: from then on beat and workers know them, whatever becomes of
        this process.
        """
        self._backend = backend
        self._make = trainer
        self.name = name
        self._registry = StrategyRegistry(backend)
        self._by = f"{socket.gethostname()}/{os.getpid()}"
        self._begin = begin
        self.strategies: dict[str, OnlineStrategy] = {}
        self.simulation: Simulation | None = None
        self.add_strategy(strategies)

    @classmethod
    def load(cls, backend: Backend, name: str = "online", trainer: TrainerType | None = None) -> OnlineManager:
        """The manager that another process made.

        Raises:
            NotFound: there is none of this name.
            DocumentCorrupted: it was changed past rollq.
        """
        names = strategies_of(backend.store, name)
        if names is None:
            raise NotFound(f"There is no online manager {name!r}.", "Make one: OnlineManager(backend, strategies).")
        registry = StrategyRegistry(backend)
        registered = [registry.get(strategy) for strategy in names]
        # One manager has one kind of trainer; what is not said is taken as it was when the strategies were added.
        delayed = all(one.delayed for one in registered)
        chosen = trainer or (DelayTrainer if delayed else Trainer)
        return cls(backend, [registry.strategy(one) for one in registered], chosen, name=name)

    def add_strategy(self, strategies: OnlineStrategy | Sequence[OnlineStrategy]) -> None:
        """Keep more strategies online, from the next routine on. Raises as the constructor."""
        added = [strategies] if isinstance(strategies, OnlineStrategy) else list(strategies)
        for strategy in added:
            register_strategy(self._backend, strategy, self._by, begin=self._begin, delayed=self._delayed())
            self.strategies[strategy.name] = strategy
        add_strategies(self._backend.store, self.name, [strategy.name for strategy in added])

    def first_train(self, timeout: float | None = None) -> dict[str, OnlineSet]:
        """The routine of the first session: train the first tasks of every strategy, put their models online.

        Returns:
            The online sets by strategy.

        Raises:
            RoundFailed: a strategy's routine failed; the others went on.
            StateError: the time is over.
        """
        first = {name: self._first(name) for name in self.strategies}
        self._drive(first, timeout)
        return {name: self.online(name) for name in self.strategies}

    def routine(
        self, session: str | None = None, timeout: float | None = None, *, allow_gaps: bool = False
    ) -> dict[str, Routine | None]:
        """Bring every strategy up to a session: what was missed first, in the order of the sessions.

        Args:
            session: None: the last session of each strategy's data.
            timeout: seconds for all of it; None waits for ever.
            allow_gaps: publish signals in spite of holes.

        Returns:
            The last routine of each strategy; None where there was nothing to do.

        Raises:
            RoundFailed: a strategy's routine failed; the others went on.
            StateError: the time is over; the routines go on by themselves where workers are.
        """
        return self._drive(dict.fromkeys(self.strategies, session), timeout, allow_gaps)

    def simulate(
        self,
        end: str,
        frequency: int = 1,
        timeout: float | None = None,
        progress: Progress | None = None,
        *,
        allow_gaps: bool = False,
    ) -> list[dict[str, object]]:
        """Live through the sessions from the first one to ``end``; returns ``history()``.

        With a trainer that delays, everything is planned first and trained together (``delay_prepare``, called here).

        Args:
            end: the last session (``YYYY-MM-DD``).
            frequency: sessions from one routine to the next.
            timeout: seconds for each round.
            progress: called with each session that brought tasks, and their number.
            allow_gaps: publish signals in spite of holes.

        Raises:
            StateError: a strategy is live, or there is no session.
            RoundFailed, CoverageError: as for the routine.
        """
        jobs = [self._job(name, allow_gaps) for name in self.strategies]
        begin = min(job.registered.begin for job in jobs)
        # All days of all strategies: one whose market is closed plans nothing on that day.
        known = sorted({day for job in jobs for day in job.strategy.sessions() if begin <= day <= end})
        self.simulation = Simulation(jobs, known[::frequency], timeout)
        self.simulation.plan(progress)
        self.delay_prepare()
        return self.history()

    def delay_prepare(self) -> list[SignalEntry]:
        """Train what a simulation with a delaying trainer has registered; put the models online, publish the signals.

        Raises:
            StateError: nothing was simulated.
            RoundFailed, CoverageError: as for the routine.
        """
        if self.simulation is None:
            raise StateError("Nothing was simulated.", "Call simulate(end) first.")
        return self.simulation.finish()

    def online(self, strategy: str) -> OnlineSet:
        """The set that serves now.

        Raises:
            NotFound: nothing of this strategy was ever online.
        """
        return OnlineSets(self._backend.store).current(strategy)

    def history(self) -> list[dict[str, object]]:
        """Which models came online when, in the order of sessions: ``{session, strategy, version, champion, models:
        [{model, test}]}``. It says nothing of runs and times, so a replay gives the same."""
        found = []
        for name in self.strategies:
            for online in OnlineSets(self._backend.store).history(name):
                models = [{"model": model.identity, "test": list(model.test)} for model in online.models]
                shown = {"session": online.session, "strategy": name, "version": online.version}
                found.append({**shown, "champion": online.champion, "models": models})
        return sorted(found, key=lambda one: (one["session"], one["strategy"], one["version"]))

    def get_collector(self, **options: Unpack[CollectorOptions]) -> Collector:
        """Collects predictions of all models that ever were online: keys are (strategy, artifact).

        Args:
            options: as for ``RecorderCollector``.
        """
        collectors = {name: one.get_collector(self._backend, **options) for name, one in self.strategies.items()}
        return MergeCollector(collectors)

    def prepare_signals(
        self, prepare_func: Callable[[Mapping[str, pd.DataFrame]], Frame] | None = None, over_write: bool = False
    ) -> bool:
        """Join the published signals of the strategies, for the sessions that all of them have, and publish the result.

        Args:
            prepare_func: joins ``{strategy: frame}`` into one; None: ``AverageEnsemble()``.
            over_write: also for sessions that were joined before; without it only those that were revised since.

        Returns:
            Whether there was something to join.
        """
        pool = self._registry.get(next(iter(self.strategies))).pool
        joint = JointSignals(self._backend, self.ensemble, tuple(self.strategies), pool)
        return joint.publish(prepare_func or AverageEnsemble(), self._by, over_write=over_write)

    def get_signals(self, strategy: str | None = None) -> pd.DataFrame:
        """The signals of a strategy; None: of all strategies together, as ``prepare_signals`` joined them.

        Returns:
            A frame with the column ``score``, unique and sorted by (datetime, instrument).

        Raises:
            NotFound: there are none.
        """
        return SignalLedger(self._backend).read(strategy or self.ensemble)

    @property
    def ensemble(self) -> str:
        """The name of the joined signals in the ledger."""
        return f"{self.name}:ensemble"

    def _drive(
        self, upto: Mapping[str, str | None], timeout: float | None, allow_gaps: bool = False
    ) -> dict[str, Routine | None]:
        """Go on with the routines of all strategies until they are DONE or have FAILED."""
        end = None if timeout is None else time.monotonic() + timeout
        reached: dict[str, Routine | None] = {}
        while pending := [name for name in upto if name not in reached]:
            for name in pending:
                routine = bring_up_to(self._backend, name, upto[name], self._by, self._make, allow_gaps=allow_gaps)
                if routine is None or routine.status is not RoutineState.OPEN:
                    reached[name] = routine
            # After a look at each strategy: with a time of 0 what is done already is found.
            if end is not None and time.monotonic() > end:
                raise StateError(f"The routines of {', '.join(pending)} are not done after {timeout:.0f} s.")
            # In this process it trains; with workers it sleeps. One strategy is enough: all of them are looked at again
            # next.
            self._job(pending[0]).trainer.work()
        failed = [routine for routine in reached.values() if routine and routine.status is RoutineState.FAILED]
        if failed:
            reasons = "; ".join(f"{one.strategy} on {one.session}: {one.reason}" for one in failed)
            raise RoundFailed(
                f"Routines failed: {reasons}", "See `rollq routine list`; repair the cause and run it again."
            )
        return reached

    def _job(self, name: str, allow_gaps: bool = False) -> Job:
        registered = self._registry.get(name)
        trainer = trainer_for(self._make, self._backend, registered.pool)
        return Job(self._backend, registered, self.strategies[name], trainer, registered.begin, self._by, allow_gaps)

    def _first(self, name: str) -> str:
        begin = self._registry.get(name).begin
        return next((day for day in self.strategies[name].sessions() if day >= begin), begin)

    def _delayed(self) -> bool:
        # `_make` may be a function that makes trainers, which has no such attribute.
        return self._make.delay
