"""What records measure, pooled over the windows of a round and shown: rollq's own records, and one of a user's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollq import Backend, RollingStrategy, TrainerR
from rollq.cli.context import metrics_line
from rollq.enqueueing import enqueue_plan, enqueue_research
from rollq.scheduler.champions.research import labels_of, signals_of
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.rounds.trained_round import TrainedRound
from rollq.tasks.predictions.metrics import daily_ic
from rollq.tasks.predictions.pooling import Pooled
from rollq.tasks.predictions.window_metrics import WindowMetrics, pooled_windows
from tests.command_line import CommandLine
from tests.online_strategies import RIDGE, template, with_components, write_prices

RECORDS = [
    {"class": "SignalRecord"},
    {"class": "ForecastRecord", "kwargs": {"by": "instrument"}},
    {"class": "SigAnaRecord"},
    {"class": "ProfitRecord", "module_path": "tests.online_strategies"},
]


@pytest.fixture
def rollq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: Backend) -> CommandLine:
    return CommandLine(monkeypatch, capsys, backend.settings)


def gathered(backend: Backend, trained: TrainedRound) -> None:
    TrainerR(trained.pool, backend=backend).wait_gathered(trained, timeout=60)


def test_what_records_return_is_pooled_kept_with_the_round_and_shown(
    backend: Backend, tmp_path: Path, rollq: CommandLine
) -> None:
    backend = with_components(backend)
    made = RollingStrategy.of_template(
        template(write_prices(tmp_path / "prices.parquet"), "measured", RIDGE, record=RECORDS), backend.settings
    )
    (opened,) = enqueue_research(made, backend).values()
    gathered(backend, opened)
    kept = backend.rounds.get(opened.id).result or {}
    metrics = kept["metrics"]

    pred = signals_of(backend, backend.rounds.get(opened.id))["score"]
    rows = pd.DataFrame({"score": pred, "label": labels_of(backend, backend.rounds.get(opened.id))}).dropna()
    error = rows["score"] - rows["label"]
    assert metrics["MAE"] == pytest.approx(error.abs().mean(), rel=1e-9)
    assert metrics["RMSE"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-9)
    assert metrics["R2"] == pytest.approx(1 - (error**2).sum() / ((rows.label - rows.label.mean()) ** 2).sum())
    daily = daily_ic(rows["score"], rows["label"])["ic"]
    assert metrics["IC"] == pytest.approx(daily.mean())
    assert metrics["ICIR"] == pytest.approx(daily.mean() / daily.std())
    name = rows.index[0][1]
    assert metrics[f"MAE (instrument={name})"] == pytest.approx(error.abs().xs(name, level=1).mean())
    tasks = backend.tasks.find(ids=opened.created.ids)
    values = [(task.committed or {})["metrics"] for task in tasks]
    tests = [{"test": task.segments["test"]} for task in tasks]
    counts = [len(made.dataset_of().config(test).prepare("test")) for test in tests]
    assert metrics["trades"] == len(rows)
    assert metrics["profit"] == pytest.approx(np.average([one["profit"] for one in values], weights=counts))
    assert metrics["waste."] == pytest.approx(np.mean([one["waste."] for one in values]))
    assert kept["better"] == {"profit": "higher", "waste.": "lower"}

    shown = rollq("status").out
    assert f"MAE ↓ {metrics['MAE']:.4f}" in " ".join(shown.split())
    groups = sum("=" in name for name in metrics)
    assert metrics_line(metrics).endswith(f", and {groups} more of single groups: --json shows them")
    assert f"profit ↑ {metrics['profit']:.4f}" in rollq("research", "show", "measured").out
    assert "RMSE ↓" in rollq("research", "list").out
    page = tmp_path / "report.html"
    assert rollq("research", "report", "measured", "--out", page).code == 0
    assert "profit ↑" in page.read_text()
    promoted = rollq("research", "promote", "measured", "--json").json
    assert (promoted["metrics"], promoted["better"]) == (metrics, kept["better"])
    assert f"waste. ↓ {metrics['waste.']:.4f}" in rollq("online", "show", "measured").out


def test_a_set_has_its_metrics_and_status_names_them(backend: Backend, tmp_path: Path, rollq: CommandLine) -> None:
    made = RollingStrategy.of_template(
        template(write_prices(tmp_path / "prices.parquet"), "served", RIDGE, record=RECORDS[:2]), backend.settings
    )
    opened = enqueue_plan(made.plan(), backend)
    gathered(backend, opened)
    online = OnlineSets(backend.store).current("served")
    assert online.metrics["MAE"] > 0
    (line,) = [one for one in rollq("status", "--json").json["rounds"] if one["id"] == opened.id]
    assert line["metrics"] == online.metrics


def test_windows_of_any_form_are_read() -> None:
    window = WindowMetrics({"a.b": Pooled("sum", [1.0])}, {"a.b": "lower", "gone": "higher"})
    again = WindowMetrics.of_result(window.to_result())
    assert again.values == {"a.b": 1.0}
    assert again.better == {"a.b": "lower"}
    strange = {"pooling": [{"how": "unheard of", "name": "x", "sums": [1]}, "text"]}
    assert WindowMetrics.of_result(strange).values == WindowMetrics.of_result({"metrics": {"x": 1.0}}).values == {}
    assert pooled_windows([window, again]).values == {"a.b": 2.0}
