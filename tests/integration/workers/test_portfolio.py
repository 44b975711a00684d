"""Qlib's ``workflow_by_code``, as a script has it after its imports were changed: model, dataset, records, backtest."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollq import (
    Backend,
    ComponentError,
    MLflowExpManager,
    PortAnaRecord,
    R,
    SigAnaRecord,
    SignalRecord,
    init_instance_by_config,
)
from rollq.tasks.config.settings import current_settings
from tests import qlib_data


@pytest.fixture(autouse=True)
def _folder(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(R, "_manager", MLflowExpManager(backend.settings.mlflow_uri))
    monkeypatch.setenv("ROLLQ_QLIB_PROVIDER_URI", str(qlib_data.write_folder(tmp_path / "cn")))
    monkeypatch.setenv("ROLLQ_STATE_DIR", str(tmp_path / "state"))
    current_settings.cache_clear()
    yield
    current_settings.cache_clear()


def test_a_script_backtests_what_it_has_trained() -> None:
    """With the model and the dataset as the signal, or what they predicted: it is the same."""
    days = qlib_data.days()
    segments = {"train": (days[0], days[219]), "valid": (days[220], days[279]), "test": (days[280], days[-1])}
    config = {"start_time": days[0], "end_time": days[-1], "fit_start_time": days[0], "fit_end_time": days[219]}
    handler = {
        **{"class": "Alpha158", "module_path": "qlib.contrib.data.handler"},
        "kwargs": {**config, "instruments": "csi300"},
    }
    kwargs = {"handler": handler, "segments": segments}
    model = init_instance_by_config(qlib_data.LIGHTGBM)
    dataset = init_instance_by_config({"class": "DatasetH", "module_path": "qlib.data.dataset", "kwargs": kwargs})
    assert not dataset.prepare("train").empty
    bounds = {"start_time": days[280], "end_time": days[-2], "account": 100000000, "benchmark": qlib_data.INDEX}
    found = []
    with R.start(experiment_name="by code"):
        model.fit(dataset)
        recorder = R.get_recorder()
        SignalRecord(model, dataset, recorder).generate()
        SigAnaRecord(recorder).generate()
        for signal in ((model, dataset), "<PRED>"):
            strategy = {
                **{"class": "TopkDropoutStrategy", "module_path": "qlib.contrib.strategy"},
                "kwargs": {"signal": signal, "topk": 3, "n_drop": 1},
            }
            found.append(PortAnaRecord(recorder, {"strategy": strategy, "backtest": bounds}, "day").generate())
    assert found[0] == found[1]
    assert "1day.excess_return_with_cost.annualized_return" in found[0]
    assert found[0].items() <= recorder.list_metrics().items()
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    saved = {Path(name).stem for name in recorder.list_artifacts("portfolio_analysis")}
    assert {Path(name).stem for name in PortAnaRecord(recorder).list()} <= saved
    assert len(report) == len(days) - 281


def test_a_backtest_without_data_or_strategy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with R.start(experiment_name="by code") as recorder, pytest.raises(ComponentError, match="has no 'strategy'"):
        PortAnaRecord(recorder, {"backtest": {}}).generate()
    monkeypatch.delenv("ROLLQ_QLIB_PROVIDER_URI")
    current_settings.cache_clear()
    with R.start(experiment_name="by code") as recorder, pytest.raises(ComponentError, match="where Qlib's data are"):
        PortAnaRecord(recorder).generate()
