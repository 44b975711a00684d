"""Parameters of XGBoost: what rollq sets is refused, the rest is asked of XGBoost itself, by a tree on twenty rows."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from rollq.tasks.errors import ComponentError
from rollq.workers.models.learning.arguments import check_taken, misspelt
from rollq.workers.models.learning.own_functions import is_own, metrics_of

KEY = "model.kwargs"
# One thread, on the processor: the same result on every run. Bins are those of train.
FIXED: dict[str, object] = {"nthread": 1, "device": "cpu", "verbosity": 0}
OBJECTIVES = {
    "mse": "reg:squarederror",
    "mae": "reg:absoluteerror",
    "huber": "reg:pseudohubererror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
    "tweedie": "reg:tweedie",
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "cross_entropy": "reg:logistic",
    "lambdarank": "rank:ndcg",
}
# XGBoost's names of what has one here, and what rollq sets.
OURS = {
    "num_round": "num_boost_round",
    "n_estimators": "num_boost_round",
    "eval_metric": "metric",
    "random_state": "seed",
    "quantile_alpha": "alpha",
}
SET = {
    **dict.fromkeys(("nthread", "n_jobs"), "rollq trains on one thread"),
    **dict.fromkeys(("device", "gpu_id"), "other devices give other results from run to run"),
    **dict.fromkeys(("verbosity", "validate_parameters"), "rollq says what is wrong itself"),
    "num_class": "rollq counts the classes of train",
    "disable_default_eval_metric": "rollq sets it where the metrics are your own",
    **dict.fromkeys(("process_type", "updater", "refresh_leaf"), "rollq does nothing that it changes"),
}
BY_FEATURE = ("monotone_constraints", "interaction_constraints")


def check_names(params: Mapping[str, object], loss: object) -> None:
    """Refuse names that rollq has for something else.

    Raises:
        ComponentError: it names the parameter.
    """
    for name, value in params.items():
        check_taken(name, OURS, SET)
        if name == "alpha" and loss != "quantile":
            raise ComponentError("here it is of loss: quantile.", "Write reg_alpha for the penalty.", f"{KEY}.{name}")
        if name == "booster" and value not in ("gbtree", "dart"):
            raise ComponentError(f"{value!r} has no trees.", "Use gbtree or dart.", f"{KEY}.{name}")


def ask_xgboost(params: Mapping[str, object], loss: object, model: object, features: int | None = None) -> None:
    """Let XGBoost look at parameters.

    Args:
        params: by XGBoost's names.
        model: the class whose arguments may be meant by a name that is unknown.
        loss: rollq's name.
        features: how many there are; None: parameters by feature are left out.

    Raises:
        ComponentError: it refuses a value, or does not use one.
    """
    import xgboost

    asked = {name: value for name, value in params.items() if features or name not in BY_FEATURE}
    # XGBoost warns of parameters that it does not know only if it may speak.
    asked |= {**FIXED, "verbosity": 1, **({"num_class": 2} if loss == "multiclass" else {})}
    rows = np.linspace(0.1, 0.9, 20)
    label = np.tile([0.0, 1.0], 10) if loss in ("binary", "multiclass", "lambdarank") else rows
    group = [20] if loss == "lambdarank" else None
    data = xgboost.DMatrix(np.repeat(rows[:, None], features or 1, axis=1), label, group=group, nthread=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            xgboost.train(asked, data, 1, evals=[(data, "train")], verbose_eval=False)
        except (xgboost.core.XGBoostError, TypeError, ValueError) as error:
            raise _refused(str(error), params) from None
    for unused in re.findall(r"Parameters: \{ (.*?) \}", " ".join(str(one.message) for one in caught)):
        name = unused.split(",")[0].strip().strip('"')
        what = "XGBoost has no such parameter, or it has no effect beside the others."
        raise ComponentError(what, misspelt(name, model, xgboost.XGBModel), f"{KEY}.{name}")


def by_position(params: Mapping[str, object]) -> dict[str, object]:
    """Parameters in which features are numbers: as lists XGBoost would take them for names."""
    texts = {name: json.dumps(params[name]) for name in BY_FEATURE if isinstance(params.get(name), list | tuple)}
    if "monotone_constraints" in texts:
        texts["monotone_constraints"] = f"({texts['monotone_constraints'][1:-1]})"
    return {**params, **texts}


def told_metrics(metric: object) -> Sequence[object]:
    """Those of the metrics that are XGBoost's own."""
    return [one for one in metrics_of(metric) if not is_own(one)]


def reason_of(said: str) -> str:
    """What XGBoost says, without the line of its own source and every function on the way."""
    reason = re.sub(r"^\[[\d:]+\] \S+: ?", "", said.partition("Stack trace")[0].strip())
    return re.sub(r"\s+", " ", reason).strip().rstrip(".")


def _refused(said: str, params: Mapping[str, object]) -> ComponentError:
    reason = reason_of(said)
    concerned = [name for name in params if re.search(rf"\b{re.escape(name)}\b", reason)]
    key = f"{KEY}.{concerned[0]}" if len(concerned) == 1 else KEY
    return ComponentError(f"XGBoost refuses it: {reason}.", "Look it up in XGBoost's list of parameters.", key)
