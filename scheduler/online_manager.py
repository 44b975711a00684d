"""OnlineManager: keeps strategies online, over one trainer per strategy. Its state is in MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from scheduler.online_sets import OnlineSet, OnlineSets
from scheduler.strategies import OnlineStrategy
from scheduler.trainers import DelayTrainer, Progress, TrainedRound, Trainer
from tasks.backend import Backend

TrainerType = type[Trainer] | type[DelayTrainer]


class OnlineManager:
    """Trains strategies and says which models serve.

    Args:
        pools: the task pool of each strategy; by default the strategy's name.
    """

    def __init__(
        self,
        backend: Backend,
        strategies: Sequence[OnlineStrategy],
        trainer: TrainerType = DelayTrainer,
        pools: dict[str, str] | None = None,
    ) -> None:
        self._backend = backend
        self._strategies = list(strategies)
        self._sets = OnlineSets(backend.store)
        self._trainers = {
            strategy.name: trainer(backend, (pools or {}).get(strategy.name, strategy.name)) for strategy in strategies
        }

    def begin_first_train(self) -> dict[str, TrainedRound]:
        """Put the first tasks of every strategy into the queue; returns the rounds by strategy.

        Nothing is enqueued before every strategy's plan is known to be good.

        Raises:
            BadInput: a template or its data cannot be used.
        """
        plans = {strategy.name: strategy.first_tasks() for strategy in self._strategies}
        rounds = {}
        for strategy in self._strategies:
            plan, trainer = plans[strategy.name], self._trainers[strategy.name]
            rounds[strategy.name] = trainer.train(plan.definitions, plan.purpose, options=plan.options)
        return {name: self._trainers[name].end_train(trained) for name, trained in rounds.items()}

    def first_train(
        self, timeout: float | None = None, progress: Progress | None = None, alive: Callable[[], None] | None = None
    ) -> dict[str, OnlineSet]:
        """Train the first tasks of every strategy and put their models online; returns the sets by strategy.

        Raises:
            BadInput: a template or its data cannot be used.
            RoundFailed: a round could not meet its policy; the others go on.
            StateError: the time is over.
        """
        return self.wait(self.begin_first_train(), timeout, progress, alive)

    def wait(
        self,
        rounds: Mapping[str, TrainedRound],
        timeout: float | None = None,
        progress: Progress | None = None,
        alive: Callable[[], None] | None = None,
    ) -> dict[str, OnlineSet]:
        """Wait until rounds are gathered; as ``first_train``."""
        return {name: self._trainers[name].wait(found, timeout, progress, alive) for name, found in rounds.items()}

    def online(self, strategy: str) -> OnlineSet:
        """The set that serves now.

        Raises:
            NotFound: nothing of this strategy was ever online.
        """
        return self._sets.current(strategy)
