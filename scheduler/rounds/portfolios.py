"""The portfolios of a round: made of the joined signals of its windows, so that positions run on between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from rollq.scheduler.rounds.results import recorder_of
from rollq.scheduler.signals.members import SCORE
from rollq.tasks.predictions.pooling import Pooled
from rollq.tasks.predictions.portfolio.account import account
from rollq.tasks.predictions.portfolio.files import MARKET, OPTIONS, folders_in
from rollq.tasks.predictions.portfolio.options import PortfolioOptions
from rollq.tasks.predictions.portfolio.performance import performance, sessions_per_year
from rollq.tasks.queue.task import Task
from rollq.tasks.tracking.mlflow.experiment import find_run


@dataclass(frozen=True)
class Portfolio:
    """A portfolio over all windows of a round.

    Args:
        name: of several; empty, if there is one.
        made: its account by session, as ``account`` gives it.
        metrics: as ``performance`` gives them.
    """

    name: str
    made: pd.DataFrame
    metrics: Mapping[str, float]

    @property
    def pooled(self) -> dict[str, Pooled]:
        """The metrics with their sums."""
        return {name: value for name, value in self.metrics.items() if isinstance(value, Pooled)}


def joined_portfolios(mlflow_uri: str, tasks: Sequence[Task], signals: pd.DataFrame) -> list[Portfolio]:
    """Each portfolio that records of the windows made, anew of joined signals; none, where no record makes one.

    Args:
        tasks: DONE; prices are those that their records wrote down, and how a portfolio is made is as the newest says.
        signals: the column ``score`` by (datetime, instrument).

    Raises:
        NotFound, ArtifactCorrupted: an artifact is missing, or is not what was written.
    """
    folders: dict[str, list[Task]] = {}
    for task in tasks:
        for folder in folders_in(_artifacts(task)):
            folders.setdefault(folder, []).append(task)
    return [_joined(mlflow_uri, folder, own, signals) for folder, own in folders.items()]


def makes_portfolio(task: Task) -> bool:
    """Whether a record of a task made a portfolio."""
    return bool(folders_in(_artifacts(task)))


def _joined(mlflow_uri: str, folder: str, tasks: Sequence[Task], signals: pd.DataFrame) -> Portfolio:
    """One portfolio, of the prices that all of its windows wrote down."""
    recorders = [find_run(recorder_of(task), mlflow_uri) for task in tasks]
    parts = [recorder.load_object(f"{folder}/{MARKET}") for recorder in recorders]
    newest = max(range(len(parts)), key=lambda place: parts[place].index.get_level_values(0).max())
    options = recorders[newest].load_object(f"{folder}/{OPTIONS}")
    # Models that serve together wrote down the same prices.
    market = pd.concat(parts)
    market = market[~market.index.duplicated()].sort_index()
    chosen = PortfolioOptions.of(options)
    made = account(signals[SCORE], market, chosen)
    times = pd.DatetimeIndex(market.index.get_level_values(0).unique())
    name = str(options.get("name", ""))
    return Portfolio(name, made, performance(made, chosen.sessions_per_year or sessions_per_year(times), name))


def _artifacts(task: Task) -> Iterable[str]:
    found = (task.committed or {}).get("artifacts")
    return found if isinstance(found, Mapping) else ()
