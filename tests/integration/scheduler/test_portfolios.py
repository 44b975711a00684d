"""A portfolio over the windows of a round: made of their joined signals, kept with the round, and drawn."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rollq import Backend, RollingStrategy, TrainerR
from rollq.enqueueing import enqueue_research
from rollq.report import portfolio as charts
from rollq.scheduler.champions.research import signals_of
from rollq.scheduler.rounds.portfolios import joined_portfolios, makes_portfolio
from rollq.tasks.predictions.portfolio.account import account
from rollq.tasks.predictions.portfolio.options import PortfolioOptions
from rollq.tasks.predictions.portfolio.performance import performance
from tests.command_line import CommandLine
from tests.online_strategies import RIDGE, TEST, TRAIN, closes, template, write_prices

PORTFOLIO = {"k": 2, "n_drop": 1, "buy_bps": 10.0}
RECORDS = [
    {"class": "SignalRecord"},
    {"class": "PortfolioRecord", "kwargs": PORTFOLIO},
    {"class": "PortfolioRecord", "kwargs": {"strategy": "long_short", "name": "spread"}},
]


@pytest.fixture
def rollq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: Backend) -> CommandLine:
    return CommandLine(monkeypatch, capsys, backend.settings)


def test_positions_run_on_from_window_to_window(backend: Backend, tmp_path: Path, rollq: CommandLine) -> None:
    path = write_prices(tmp_path / "prices.parquet")
    made = template(path, "held", RIDGE, record=RECORDS)
    kwargs = {
        "path": str(path),
        "features": ["close / lag(close, 1) - 1", "close / lag(close, 3) - 1"],
        "label": "lead(close, 2) / lead(close, 1) - 1",
        "segments": {"train": list(TRAIN), "test": [TEST, None]},
    }
    made.definition["dataset"] = {"class": "TableDataset", "kwargs": kwargs}
    strategy = RollingStrategy.of_template(made, backend.settings)
    (opened,) = enqueue_research(strategy, backend).values()
    TrainerR(opened.pool, backend=backend).wait_gathered(opened, timeout=60)

    found = backend.rounds.get(opened.id)
    signals = signals_of(backend, found)
    prices = closes().set_index(["datetime", "instrument"])["close"].rename("price").to_frame().loc[signals.index]
    whole = account(signals["score"], prices, PortfolioOptions(**PORTFOLIO))
    expected = performance(whole, 252)
    metrics = (found.result or {})["metrics"]
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert len(whole) == signals.index.get_level_values(0).nunique() - 1  # what is traded first is traded once
    assert "Sharpe (portfolio=spread)" in metrics

    tasks = backend.tasks.find(ids=opened.created.ids)
    assert all(makes_portfolio(task) for task in tasks)
    first = (tasks[0].committed or {})["metrics"]
    assert first["Turnover"] > metrics["Turnover"]  # a window alone buys all that it holds
    one, spread = joined_portfolios(backend.settings.mlflow_uri, tasks, signals)
    assert (one.name, spread.name) == ("", "spread")
    pd.testing.assert_frame_equal(one.made, whole, check_freq=False, check_index_type=False)
    figure = charts.curves(one.made)
    assert [line.name for line in figure.data] == ["after cost", "before cost", "benchmark", "drawdown"]
    assert figure.data[0].y[-1] == pytest.approx(1 + metrics["Cumulative Return"], abs=1e-6)

    page = tmp_path / "report.html"
    assert rollq("research", "report", "held", "--out", page).code == 0
    text = page.read_text()
    assert "<h2>Portfolio</h2>" in text
    assert "<h2>Portfolio spread</h2>" in text
    assert f"Sharpe ↑ {metrics['Sharpe']:.4f}" in rollq("research", "show", "held").out
