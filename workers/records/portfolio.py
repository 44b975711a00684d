"""PortfolioRecord: what a portfolio made of the signals of a window earns. It needs a SignalRecord before it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.record import Names, Record, RunWriter
from rollq.tasks.definition import TEST
from rollq.tasks.errors import BadInput
from rollq.tasks.predictions.directions import known_of
from rollq.tasks.predictions.portfolio.account import BENCHMARK, PRICE, account
from rollq.tasks.predictions.portfolio.files import MARKET, OPTIONS, RETURNS, folder_of
from rollq.tasks.predictions.portfolio.options import EQUAL, TOPK, PortfolioOptions
from rollq.tasks.predictions.portfolio.performance import performance, sessions_per_year


class PortfolioRecord(Record):
    """Writes ``portfolio/returns.parquet`` and ``market.parquet``, and logs returns, risk, turnover and cost.

    ``docs/reference/portfolio.md`` has formulas and conventions. The portfolio of a round is made anew of the joined
    signals of its windows, so that positions run on from one window to the next.

    Args:
        recorder: a run with predictions.
        model: not used.
        dataset: gives the prices of the test segment.
        name: of the portfolio, where a template has several: it goes to ``portfolio_NAME/``.
        strategy, k, n_drop, quantile, long_only, price, delay, buy_bps, sell_bps, benchmark, sessions_per_year,
        delisted_after, delisting_return: as for ``PortfolioOptions``.
    """

    better: ClassVar[Mapping[str, str]] = known_of("Return")

    def __init__(
        self,
        recorder: RunWriter | None = None,
        model: Model | None = None,
        dataset: Dataset | None = None,
        name: str = "",
        strategy: str = TOPK,
        k: int = 50,
        n_drop: int = 5,
        quantile: float = 0.2,
        long_only: bool = True,
        price: str = "close",
        delay: int = 1,
        buy_bps: float = 5.0,
        sell_bps: float = 15.0,
        benchmark: str | Mapping[str, str] | None = EQUAL,
        sessions_per_year: float | None = None,
        delisted_after: int = 20,
        delisting_return: float = 0.0,
    ) -> None:
        super().__init__(recorder, model, dataset)
        if not re.fullmatch(r"\w{0,40}", str(name)):
            raise BadInput(f"name {name!r} is not possible.", "Use up to 40 letters, digits and underscores.")
        self._name = name
        self.artifact_path = folder_of(name)
        self._options = PortfolioOptions(
            strategy, k, n_drop, quantile, long_only, price, delay, buy_bps, sell_bps, benchmark, sessions_per_year,
            delisted_after, delisting_return,
        )  # fmt: skip

    def generate(self) -> dict[str, float]:
        """Trade the predictions at the prices of the test segment.

        Raises:
            ArtifactMissing: no SignalRecord stands before this one in the template.
            BadInput: the dataset has no such column of prices or of a benchmark, or not such an instrument.
        """
        score, market, options = self.load("pred.parquet").iloc[:, 0], self._market(), self._options
        made = account(score, market, options)
        times = market.index.get_level_values(0).unique()
        per_year = options.sessions_per_year or sessions_per_year(pd.DatetimeIndex(times))
        metrics = performance(made, per_year, self._name)
        self.measured = made[["net"]].rename(columns={"net": "Return"})
        self.save(**{RETURNS: made, MARKET: market, OPTIONS: {**options.to_dict(), "name": self._name}})
        self.recorder.log_metrics(metrics)
        return metrics

    def used_columns(self) -> Mapping[str, Sequence[str]]:
        """Those of the price and of the benchmark."""
        level = self._options.benchmark_column
        return {"price": [self._options.price], **({"benchmark.column": [level]} if level else {})}

    def list(self) -> Names:
        """What it writes into its folder."""
        return [RETURNS.replace(".parquet", ".pkl"), MARKET.replace(".parquet", ".pkl")]

    def _market(self) -> pd.DataFrame:
        """The prices, and the benchmark's level, of the test segment."""
        columns = {PRICE: self._options.price}
        if self._options.benchmark_column:
            columns[BENCHMARK] = self._options.benchmark_column
        known = list(self.dataset.info_columns)
        for key, name in columns.items():
            if name not in known:
                have = (
                    f"It has {', '.join(known)}." if known else "Use one that keeps its columns, as TableDataset does."
                )
                raise BadInput(f"The dataset has no column {name!r}, the {key} of a portfolio.", have)
        series = {key: self.dataset.prepare(TEST, f"info:{name}").iloc[:, 0] for key, name in columns.items()}
        market = pd.DataFrame(series).astype(float)
        wanted = self._options.benchmark_instrument
        if wanted is not None and wanted not in market.index.get_level_values(1):
            raise BadInput(f"The data have no instrument {wanted!r}, the benchmark.", "Name one of the test segment.")
        return market
