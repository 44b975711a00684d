"""OnlineManager: keeps several strategies online at once. All of its state is in MongoDB."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

import pandas as pd

from rollq.online.drive import drive
from rollq.online.history import History, online_history
from rollq.online.kept import Kept, Strategies, listed
from rollq.online.routine_runs import RoutineRuns
from rollq.online.stored import find_manager, write_file
from rollq.online.trainer_choice import Kind, chosen, name_of
from rollq.online.walk import DAY, session_of, walked
from rollq.scheduler.collect.collectors import Collector, MergeCollector
from rollq.scheduler.collect.ensembles import AverageEnsemble
from rollq.scheduler.collect.options import CollectorOptions
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.routine.simulation import Progress, Simulation
from rollq.scheduler.signals.joint import Join, SignalOptions
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.signals.members import SCORE
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.keywords import check_taken
from rollq.tasks.backend import Backend
from rollq.tasks.errors import SettingsError, StateError
from rollq.tasks.rolling.calendar import Time

Words = Mapping[str, object] | None


class OnlineManager:
    """Trains strategies, says which models serve, and publishes their signals.

    Args:
        strategies: what is kept online; more can be added later.
        trainer: an object or a class: ``TrainerR`` and the like; None: the tasks are trained in this process.
        begin_time: the first session; None: as the strategies' templates say, or the last one of the data. On a day
            that is none it is the next one.
        freq: ``day``.
        backend: the servers; None: those that the settings name.
        name: ``OnlineManager.load(name)`` goes on with it, on any machine. None: the names of its strategies.

    Raises:
        StateError: a strategy of that name is online with another template.
        BadInput: a template, its data or an argument cannot be used.
        Unavailable: there are no servers.
    """

    STATUS_SIMULATING = "simulating"
    STATUS_ONLINE = "online"

    def __init__(
        self,
        strategies: Strategies,
        trainer: Kind | None = None,
        begin_time: Time = None,
        freq: str = DAY,
        *,
        backend: Backend | None = None,
        name: str | None = None,
    ) -> None:
        """Strategies are registered in the store at once: from then on beat and workers know them, whatever becomes of
        this process.
        """
        if freq != DAY:
            raise SettingsError(f"There is no frequency {freq!r}.", "A session is a day: freq='day'.")
        given = listed(strategies)
        if not given:
            raise SettingsError("An online manager needs a strategy.", "Give it one, or several.")
        self._backend = backend or Backend.connect()
        self.trainer = chosen(trainer)
        self.freq = freq
        self.name = name or "+".join(strategy.name for strategy in given)
        self.status = self.STATUS_ONLINE
        self.simulation: Simulation | None = None
        self._kept = Kept(self._backend, self.name, self.trainer)
        self._kept.add(given, session_of(begin_time))

    @classmethod
    def load(
        cls,
        place: str | os.PathLike[str],
        *,
        backend: Backend | None = None,
        trainer: Kind | None = None,
    ) -> OnlineManager:
        """The manager that another process made, by its name or ``to_pickle``'s file; raises as ``find_manager``."""
        backend = backend or Backend.connect()
        found = find_manager(backend, os.fspath(place))
        return cls(found.strategies, trainer or found.trainer, backend=backend, name=found.name)

    def to_pickle(self, path: str | os.PathLike[str]) -> None:
        """Write a file that ``load`` finds this manager by: its name and its trainer. Its state is in the store."""
        write_file(Path(path), self.name, name_of(self.trainer))

    @property
    def strategies(self) -> list[OnlineStrategy]:
        """What it keeps online."""
        return self._kept.strategies

    def add_strategy(self, strategies: Strategies, *, timeout: float | None = None) -> dict[str, OnlineSet]:
        """Keep more strategies online, and train their first tasks, on the session that this manager has reached.

        Their signals are published from that session on: those of before stay as they are. Raises as the constructor
        and as ``first_train``.
        """
        added, reached = listed(strategies), self._kept.reached()
        self._kept.add(added, reached, published_from=reached)
        return self.first_train(added, timeout=timeout)

    def reset(self, *, live: bool = False) -> None:
        """Forget what its strategies did online: it can be simulated again, and their tasks and runs be removed.

        Those that were added by others are not in it any more.

        Args:
            live: also what really was online; without it a strategy that is live is a StateError, and nothing changes.
        """
        self._kept.reset(live=live)
        self.simulation = None

    @property
    def begin_time(self) -> pd.Timestamp:
        """The first session of the strategy that begins first."""
        return pd.Timestamp(min(self._kept.first(strategy) for strategy in self.strategies))

    @property
    def cur_time(self) -> pd.Timestamp:
        """The last session that a routine of it, or a simulation, has reached; the first one where none has."""
        return pd.Timestamp(self._kept.reached() or self.begin_time)

    @property
    def history(self) -> History:
        """Which models came online when, as the ledger has it: ``{session: {strategy: [recorders]}}``."""
        return History.of(self._backend, self.strategies)

    def online_history(self) -> list[dict[str, object]]:
        """Which models came online when, in the order of sessions: ``{session, strategy, version, champion, models:
        [{model, test}]}``. It says nothing of runs and times, so a replay gives the same."""
        return online_history(self._backend, [strategy.name for strategy in self.strategies])

    def first_train(
        self, strategies: Strategies | None = None, model_kwargs: Words = None, *, timeout: float | None = None
    ) -> dict[str, OnlineSet]:
        """The routine of the first session: train the first tasks of strategies, put their models online.

        Args:
            strategies: None: all of this manager.
            model_kwargs, timeout: as for ``routine``.

        Returns:
            The online sets by strategy. Raises as ``routine``.
        """
        chosen = self.strategies if strategies is None else listed(strategies)
        keywords = self._kept.keywords(None, model_kwargs)
        upto = {strategy.name: self._kept.first(strategy) for strategy in chosen}
        drive(self._backend, upto, self.trainer, self._kept.by, timeout, keywords=keywords)
        return {strategy.name: self.online(strategy.name) for strategy in chosen}

    def routine(
        self,
        cur_time: Time = None,
        task_kwargs: Words = None,
        model_kwargs: Words = None,
        signal_kwargs: SignalOptions | None = None,
        *,
        timeout: float | None = None,
        allow_gaps: bool = False,
    ) -> RoutineRuns:
        """Bring every strategy up to a session, what was missed first; then prepare the signals. It is logged what was
        done.

        Args:
            cur_time: None: the last session of each strategy's data. On a day that is no session it is the last one.
            task_kwargs, model_kwargs, signal_kwargs: keywords of the strategies' ``prepare_tasks`` and
                ``prepare_online_models``, and of ``prepare_signals``.
            timeout: seconds for all of it; None waits for ever.
            allow_gaps: publish signals in spite of holes.

        Returns:
            The last routine of each strategy; None where there was nothing to do. It prints what they did.

        Raises:
            RoundFailed: a strategy's routine failed; the others went on.
            SettingsError: a method does not take one of its keywords.
            StateError: the time is over; the routines go on by themselves where workers are.
        """
        check_taken(self.prepare_signals, signal_kwargs or {}, "signal_kwargs")
        keywords = self._kept.keywords(task_kwargs, model_kwargs)
        upto = dict.fromkeys((self._kept.entry(one).name for one in self.strategies), session_of(cur_time))
        by = self._kept.by
        runs = drive(self._backend, upto, self.trainer, by, timeout, allow_gaps=allow_gaps, keywords=keywords)
        self.prepare_signals(**(signal_kwargs or {}))
        return runs

    def simulate(
        self,
        end_time: Time = None,
        frequency: str | int = DAY,
        task_kwargs: Words = None,
        model_kwargs: Words = None,
        signal_kwargs: SignalOptions | None = None,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
        allow_gaps: bool = False,
    ) -> pd.Series | pd.DataFrame:
        """Live through the sessions from the first one to the last; returns the signals, as ``get_signals`` does.

        With a trainer that delays, everything is planned first and trained together (``delay_prepare``, called here).

        Args:
            end_time: None: the last session of the data. On a day that is no session it is the last one.
            frequency: ``day``, or sessions from one routine to the next.
            task_kwargs, model_kwargs, signal_kwargs, allow_gaps: as for ``routine``.
            timeout: seconds for each round.
            progress: called with each session that brought tasks, and their number.

        Raises:
            StateError: a strategy is live, or there is no session.
            RoundFailed, CoverageError, SettingsError: as for the routine.
        """
        check_taken(self.prepare_signals, signal_kwargs or {}, "signal_kwargs")
        jobs = self._kept.jobs(self._kept.keywords(task_kwargs, model_kwargs), allow_gaps=allow_gaps)
        self.status = self.STATUS_SIMULATING
        try:
            self.simulation = Simulation(jobs, walked(jobs, session_of(end_time), frequency), timeout)
            self.simulation.plan(progress)
            self.delay_prepare(signal_kwargs=signal_kwargs)
        finally:
            self.status = self.STATUS_ONLINE
        return self.get_signals()

    def delay_prepare(self, model_kwargs: Words = None, signal_kwargs: SignalOptions | None = None) -> None:
        """Train what a simulation with a delaying trainer has registered; put the models online, publish the signals.

        Args:
            model_kwargs, signal_kwargs: as for ``simulate``; the former are known since then, and cannot be others.

        Raises:
            StateError: nothing was simulated. Otherwise as ``simulate``.
        """
        if self.simulation is None:
            raise StateError("Nothing was simulated.", "Call simulate(end_time) first.")
        if model_kwargs and any(dict(model_kwargs) != job.keywords.models for job in self.simulation.jobs):
            raise SettingsError("The rounds were planned with other model_kwargs.", "Give them to simulate.")
        self.simulation.finish()
        self.prepare_signals(**(signal_kwargs or {}))

    def online(self, strategy: str) -> OnlineSet:
        """The set of a strategy that serves now. Raises NotFound where nothing was ever online."""
        return OnlineSets(self._backend.store).current(strategy)

    def get_collector(self, **kwargs: Unpack[CollectorOptions]) -> Collector:
        """Collects predictions of all models that ever were online: keys are (strategy, artifact).

        Args:
            kwargs: as for ``RecorderCollector``.
        """
        return MergeCollector({strategy.name: strategy.get_collector(**kwargs) for strategy in self.strategies})

    def prepare_signals(self, prepare_func: Join | None = None, over_write: bool = False) -> pd.DataFrame:
        """Join the published signals of the strategies, for the sessions that all of them have, and publish the result.

        Args:
            prepare_func: joins ``{strategy: frame}`` into one, where the models of a strategy that serve together are
                each by ``(strategy, model)``; None: ``AverageEnsemble()``.
            over_write: also for sessions that were joined before; without it only those that were revised since.

        Returns:
            What is new; empty if there was nothing to join.
        """
        return self._kept.joint().publish(prepare_func or AverageEnsemble(), self._kept.by, over_write=over_write)

    def get_signals(self, strategy: str | None = None) -> pd.Series | pd.DataFrame:
        """The signals of a strategy; None: of all strategies together, as ``prepare_signals`` joined them.

        Returns:
            Of all together a Series called ``score``, unique and sorted by (datetime, instrument); of one strategy a
            frame with that column, and with one for each of its models if they serve together.

        Raises:
            NotFound: there are none.
        """
        found = SignalLedger(self._backend).read(strategy or self.ensemble)
        return found if strategy else found[SCORE]

    @property
    def ensemble(self) -> str:
        """The name of the joined signals in the ledger."""
        return self._kept.joint().name
