"""A small data folder in Qlib's binary format, and workflow files of Qlib's form on it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tests.qlib_networks import NETWORKS

SESSIONS, INSTRUMENTS, BEGIN = 420, 8, "2008-01-02"
INDEX = "SH000300"
FIELDS = ("open", "high", "low", "close", "vwap", "volume", "factor", "change")

LIGHTGBM = {
    "class": "LGBModel",
    "module_path": "qlib.contrib.model.gbdt",
    "kwargs": {
        **{"loss": "mse", "colsample_bytree": 0.8879, "learning_rate": 0.2, "subsample": 0.8789, "lambda_l1": 2.5},
        **{"lambda_l2": 5.8, "max_depth": 8, "num_leaves": 21, "num_threads": 20, "num_boost_round": 15},
    },
}
LINEAR = {"class": "LinearModel", "module_path": "qlib.contrib.model.linear", "kwargs": {"estimator": "ols"}}
DOUBLE_ENSEMBLE = {
    "class": "DEnsembleModel",
    "module_path": "qlib.contrib.model.double_ensemble",
    "kwargs": {
        **{"base_model": "gbm", "loss": "mse", "num_models": 2, "enable_sr": True, "enable_fs": True, "alpha1": 1},
        **{"alpha2": 1, "bins_sr": 10, "bins_fs": 5, "decay": 0.5, "sample_ratios": [0.8, 0.7, 0.6, 0.5, 0.4]},
        **{"sub_weights": [1, 0.2], "epochs": 4, "learning_rate": 0.2, "num_leaves": 15, "num_threads": 20},
        **{"verbosity": -1, "min_data_in_leaf": 5},
    },
}
FITTED = {  # processors that learn from train
    "infer_processors": [
        {"class": "RobustZScoreNorm", "kwargs": {"fields_group": "feature", "clip_outlier": True}},
        {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
    ],
    "learn_processors": [
        {"class": "DropnaLabel"},
        {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
    ],
    "label": ["Ref($close, -2) / Ref($close, -1) - 1"],
}
XGBOOST = {
    "class": "XGBModel",
    "module_path": "qlib.contrib.model.xgboost",
    "kwargs": {
        **{"eval_metric": "rmse", "colsample_bytree": 0.8879, "eta": 0.0421, "max_depth": 5, "n_estimators": 647},
        **{"subsample": 0.8789, "nthread": 20},
    },
}
CATBOOST = {
    "class": "CatBoostModel",
    "module_path": "qlib.contrib.model.catboost_model",
    "kwargs": {
        **{"loss": "RMSE", "learning_rate": 0.0421, "subsample": 0.8789, "max_depth": 5, "num_leaves": 20},
        **{"thread_count": 20, "grow_policy": "Lossguide", "bootstrap_type": "Bernoulli"},
    },
}
# Of packages that need not be there: only `make qlib` has CatBoost.
TREES: dict[str, Any] = {"xgboost": (XGBOOST, {}, {}), "catboost": (CATBOOST, {}, {})}
# The model, keywords of the handler, and what else is not usual: the handler's class, the steps of a time series.
MODELS: dict[str, Any] = {
    **{"lightgbm": (LIGHTGBM, {}, {}), "linear": (LINEAR, FITTED, {}), "doubleensemble": (DOUBLE_ENSEMBLE, {}, {})},
    **{name: parts for name, parts in TREES.items() if find_spec(name) is not None},
    **(NETWORKS if find_spec("torch") is not None else {}),
}


def days(sessions: int = SESSIONS) -> list[str]:
    """The calendar: working days."""
    return [f"{day:%Y-%m-%d}" for day in pd.bdate_range(BEGIN, periods=sessions)]


def write_folder(folder: Path, sessions: int = SESSIONS, instruments: int = INSTRUMENTS, seed: int = 0) -> Path:
    """Calendar, instruments and features; with fewer sessions it is the head of the same data."""
    calendar = days(sessions)
    for part in ("calendars", "instruments", "features"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "calendars" / "day.txt").write_text("".join(f"{day}\n" for day in calendar))
    names = [f"SH6{number:05}" for number in range(instruments)]
    span = f"{calendar[0]}\t{calendar[-1]}"
    for market, listed in (("all", [*names, INDEX]), ("csi300", names)):
        (folder / "instruments" / f"{market}.txt").write_text("".join(f"{name}\t{span}\n" for name in listed))
    for number, name in enumerate([*names, INDEX]):
        _write_instrument(folder / "features" / name.lower(), sessions, np.random.default_rng([seed, number]))
    return folder


def workflow(folder: Path, name: str, **changes: object) -> str:
    """A workflow file of Qlib's form, as text: anchors, free keys and placeholders as its own examples have them."""
    model, handler, more = MODELS[name]
    calendar = days()
    config = {
        **{"start_time": "2008-01-01", "end_time": calendar[-1], "fit_start_time": "2008-01-01"},
        **{"fit_end_time": calendar[219], "instruments": "csi300", **handler},
    }
    port = {
        "strategy": {
            "class": "TopkDropoutStrategy",
            "module_path": "qlib.contrib.strategy",
            "kwargs": {"signal": ["<MODEL>", "<DATASET>"], "topk": 3, "n_drop": 1},
        },
        "backtest": {
            **{"start_time": calendar[280], "end_time": calendar[-1], "account": 100000000, "benchmark": INDEX},
            "exchange_kwargs": {"limit_threshold": 0.095, "deal_price": "close", "open_cost": 0.0005, "min_cost": 5},
        },
    }
    segments = {
        "train": [calendar[0], calendar[219]],
        "valid": [calendar[220], calendar[279]],
        "test": [calendar[280], calendar[-1]],
    }
    handled = {
        **{"class": more.get("handler_class", "Alpha158"), "module_path": "qlib.contrib.data.handler"},
        "kwargs": config,
    }
    series = {"step_len": more["step_len"]} if "step_len" in more else {}
    records = [
        {"class": "SignalRecord", "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"}},
        {"class": "SigAnaRecord", "kwargs": {"ana_long_short": False, "ann_scaler": 252}},
        {"class": "PortAnaRecord", "kwargs": {"config": port}},
    ]
    task = {
        "model": model,
        "dataset": {
            "class": "TSDatasetH" if series else "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": handled, "segments": segments, **series},
        },
        "record": [{**one, "module_path": "qlib.workflow.record_temp"} for one in records],
    }
    content = {
        "qlib_init": {"provider_uri": str(folder), "region": "cn", "kernels": 4, "expression_cache": None},
        "market": "csi300",
        "benchmark": INDEX,
        "data_handler_config": config,  # the same object: written as an anchor
        "port_analysis_config": port,
        "task": task,
        **changes,
    }
    return yaml.safe_dump(content, sort_keys=False)


def _write_instrument(folder: Path, sessions: int, random: np.random.Generator) -> None:
    folder.mkdir(exist_ok=True)
    # Drawn session by session, so that more sessions change nothing before them.
    noise = random.normal(0, 1, (sessions, 4))
    close = 10 * np.exp(np.cumsum(noise[:, 0] * 0.02))
    opened = close * (1 + noise[:, 1] * 0.005)
    high, low = np.maximum(opened, close) * 1.005, np.minimum(opened, close) * 0.995
    change = np.r_[0.0, close[1:] / close[:-1] - 1]
    volume = 1e6 * np.exp(noise[:, 2] * 0.3)
    columns = (opened, high, low, close, (high + low + close) / 3, volume, np.ones(sessions), change)
    for field, values in zip(FIELDS, columns, strict=True):
        np.r_[0.0, values].astype("<f4").tofile(folder / f"{field}.day.bin")
