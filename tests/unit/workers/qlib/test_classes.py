"""Which names a configuration of Qlib's may hold: Qlib's own and registered ones, at whatever depth."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rollq.tasks.components.registry import build, resolve
from rollq.tasks.errors import ComponentError
from rollq.workers.qlib.adapter import adapt
from rollq.workers.qlib.classes import check_names, qlib_class
from rollq.workers.qlib.models import QlibModel, model_of
from tests import qlib_data


def test_a_class_of_qlib_is_wrapped_and_always_the_same() -> None:
    first, second = (resolve(qlib_data.LIGHTGBM, "model") for _ in range(2))
    assert first is second
    assert issubclass(first, QlibModel)
    whole = {"class": "qlib.contrib.model.gbdt.LGBModel", "kwargs": {}}
    assert resolve(whole, "model") is first


def test_a_model_has_the_threads_of_a_worker() -> None:
    model = build(qlib_data.LIGHTGBM, "model")
    assert model.native.params["num_threads"] == 1


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("LGBModel", "qlib.contrib.model.none"),
        ("NoModel", "qlib.contrib.model.gbdt"),
        ("ModelFT", "qlib"),  # no module of this name is under qlib.
        ("Path", "qlib.config"),  # imported there, not Qlib's own
        ("run_task", "qlib.workflow.task.manage"),  # a function
        ("Alpha158", "qlib.contrib.data.handler"),  # Qlib's own, but no part of a task
        ("LGBModel", "qlib.contrib.model.gbdt;os"),
        ("LGBModel", "qlibber.model"),
    ],
)
def test_everything_else_is_refused(name: str, module: str) -> None:
    with pytest.raises(ComponentError):
        resolve({"class": name, "module_path": module}, "model")


def test_a_package_that_a_model_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "qlib.contrib.model.pytorch_lstm", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ComponentError, match="needs the package torch"):
        adapt("LSTM", "qlib.contrib.model.pytorch_lstm", "model")


def test_a_model_that_could_not_be_kept_is_refused_before_it_is_trained() -> None:
    from qlib.model.base import Model

    own = type("Own", (Model,), {"__module__": "qlib.contrib.model.own"})
    with pytest.raises(ComponentError, match="could not be kept"):
        model_of(own)()


def test_wrong_keywords_are_errors_of_the_template() -> None:
    with pytest.raises(ComponentError, match="unsupported estimator"):
        build({**qlib_data.LINEAR, "kwargs": {"estimator": "none"}}, "model")
    with pytest.raises(ComponentError, match="no parameter 'estimater'"):
        build({**qlib_data.LINEAR, "kwargs": {"estimater": "ols"}}, "model")


def test_only_modules_of_qlib_are_modules_of_qlib() -> None:
    with pytest.raises(ComponentError, match="no module of Qlib"):
        qlib_class("system", "os", "model")


@pytest.mark.parametrize(
    "value",
    [
        {"processors": [{"class": "system", "module_path": "os"}]},
        {"processors": [{"class": "Fillna", "module_path": "my_processors.py"}]},
        {"processors": ["os.system"]},
        {"processors": [{"class": "subprocess.Popen", "kwargs": {"args": "true"}}]},
        {"a": {"b": [{"func": "run", "module_path": "qlib.cli.run"}]}},
        {"handler": "file:///tmp/handler.pkl"},
        {"model_path": "models/lstm.pkl"},
        {"label": ["__import__('os').system('true')"]},
        {"label": ["(exec)('1')"]},
        {"label": ["$close.__class__"]},
        {"label": ["[x for x in ($close,)]"]},
        {"label": ["(lambda: $close)()"]},
    ],
)
def test_foreign_names_pickles_and_programs_are_refused_at_every_depth(value: dict[str, Any]) -> None:
    with pytest.raises(ComponentError):
        check_names(value, "dataset.kwargs")


@pytest.mark.parametrize(
    "value",
    [
        {"label": ["Ref($close, -2) / Ref($close, -1) - 1"]},
        {"feature": ["Std(Abs($close/Ref($close, 1)-1)*$volume, 5)/(Mean($volume, 5)+1e-12)", "$high>=$low"]},
        {"feature": ["If(($close > 1) & ($open < 2), 1.5, .5)", "Rolling($close, N=5)", "Mask($close, 'SH000300')"]},
        {"instruments": ["BRK.B", "600000.SH"]},
        {"strategy": {"class": "TopkDropoutStrategy", "module_path": "qlib.contrib.strategy", "kwargs": {"topk": 5}}},
        {"signal": ["<MODEL>", "<DATASET>", "<PRED>"], "freq": "day", "nothing": None, "number": 1e-3},
        {"pt_model_uri": "qlib.contrib.model.pytorch_gru_ts.GRUModel"},
    ],
)
def test_what_files_of_qlib_hold_is_taken(value: dict[str, Any]) -> None:
    check_names(value, "dataset.kwargs")
