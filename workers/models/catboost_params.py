"""Parameters of CatBoost: what rollq sets is refused, the rest is asked of CatBoost itself, by one tree."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from rollq.tasks.errors import ComponentError
from rollq.workers.models.learning.arguments import check_taken, misspelt

KEY = "model.kwargs"
# One thread, nothing is printed or written beside the model.
FIXED: dict[str, object] = {"thread_count": 1, "allow_writing_files": False, "logging_level": "Silent"}
OBJECTIVES = {
    "mse": "RMSE",
    "mae": "MAE",
    "huber": "Huber",
    "quantile": "Quantile",
    "mape": "MAPE",
    "poisson": "Poisson",
    "tweedie": "Tweedie",
    "binary": "Logloss",
    "cross_entropy": "CrossEntropy",
    "multiclass": "MultiClass",
    "multiclassova": "MultiClassOneVsAll",
    "lambdarank": "YetiRank",
}
# What is a number of the loss: where it stands in CatBoost's name of it, and what it is if it is left out.
OF_LOSS = {"huber": ("delta", 1.0), "tweedie": ("variance_power", 1.5)}
# What CatBoost says of a row: the trees' sum, unless the loss is of something else.
SAID = {
    **dict.fromkeys(("poisson", "tweedie"), "Exponent"),
    **dict.fromkeys(("binary", "cross_entropy", "multiclass", "multiclassova"), "Probability"),
}
OURS = {
    **dict.fromkeys(("iterations", "n_estimators", "num_trees"), "num_boost_round"),
    **dict.fromkeys(("random_seed", "random_state"), "seed"),
    "loss_function": "loss",
    **dict.fromkeys(("eval_metric", "custom_metric"), "metric"),
    **dict.fromkeys(("od_wait", "od_type", "use_best_model"), "early_stopping_rounds"),
}
PRINTING = (
    *("allow_writing_files", "train_dir", "save_snapshot", "snapshot_file", "snapshot_interval", "name"),
    *("logging_level", "verbose", "verbose_eval", "silent", "metric_period"),
)
SET = {
    "thread_count": "rollq trains on one thread",
    **dict.fromkeys(("task_type", "devices"), "other devices give other results from run to run"),
    **dict.fromkeys(PRINTING, "a window prints and writes nothing beside its model"),
    "cat_features": "the dataset says which features are categories (dataset.kwargs.categorical)",
    **dict.fromkeys(("text_features", "embedding_features"), "the features of a panel are numbers and categories"),
    **dict.fromkeys(("classes_count", "class_names"), "rollq counts the classes of train"),
}
BY_FEATURE = ("monotone_constraints", "feature_weights", "ignored_features", "first_feature_use_penalties")


def check_names(params: Mapping[str, object], loss: object) -> None:
    """Refuse names that rollq has for something else, and numbers of another loss.

    Raises:
        ComponentError: it names the parameter.
    """
    for name in params:
        check_taken(name, OURS, SET)
        needed = [other for other, (number, _) in OF_LOSS.items() if number == name] + ["quantile"] * (name == "alpha")
        if needed and loss not in needed:
            raise ComponentError(f"it has no effect without loss: {needed[0]}.", "Leave it out.", f"{KEY}.{name}")


def ask_catboost(params: Mapping[str, object], loss: str, model: object, features: int | None = None) -> None:
    """Let CatBoost look at parameters.

    Args:
        params: by CatBoost's names.
        model: the class whose arguments may be meant by a name that is unknown.
        loss: rollq's name.
        features: how many there are; None: parameters by feature are left out.

    Raises:
        ComponentError: it refuses a name or a value.
    """
    import catboost

    asked = {name: value for name, value in params.items() if features or name not in BY_FEATURE}
    rows = np.linspace(0.1, 0.9, 20)
    label = np.tile([0.0, 1.0], 10) if loss in (*SAID, "lambdarank") and loss != "cross_entropy" else rows
    group = np.repeat([0, 1], 10) if loss == "lambdarank" else None
    columns = np.column_stack([np.roll(rows, number) for number in range(features or 1)])
    try:
        data = catboost.Pool(columns, label, group_id=group, thread_count=1)
        catboost.CatBoost({**asked, "iterations": 1}).fit(data, eval_set=data)
    except (catboost.CatBoostError, TypeError, ValueError) as error:
        raise _refused(str(error), params, model, catboost.CatBoostRegressor) from None


def reason_of(said: str) -> str:
    """What CatBoost says, without the line of its own source."""
    return re.sub(r"^\S+:\d+: ", "", said).strip().rstrip(".")


def _refused(said: str, params: Mapping[str, object], *classes: object) -> ComponentError:
    reason = reason_of(said)
    concerned = [name for name in params if re.search(rf"\b{re.escape(name)}\b", reason)]
    key = f"{KEY}.{concerned[0]}" if len(concerned) == 1 else KEY
    if unknown := re.search(r"Unknown option \{(\w+)\}", reason):
        return ComponentError("CatBoost has no such parameter.", misspelt(unknown[1], *classes), key)
    return ComponentError(f"CatBoost refuses it: {reason}.", "Look it up in CatBoost's list of parameters.", key)
