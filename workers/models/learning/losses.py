"""The losses that a template may name, the labels that each of them takes, and the reason where one does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import ComponentError, PermanentError

Labels = npt.NDArray[np.generic]
KEY = "model.kwargs.loss"


@dataclass(frozen=True)
class Taken:
    """Labels that a loss takes: in words, as a test of each, and what else helps where they are others."""

    words: str
    fits: Callable[[Labels], npt.NDArray[np.bool_]]
    fix: str = ""


def _all(label: Labels) -> npt.NDArray[np.bool_]:
    return np.ones(len(label), bool)


RAW = "A label that was normalised is centred on 0: normalize: none leaves it as it is."
NUMBERS = Taken("any number", _all)
NOT_NEGATIVE = Taken("0 or more", lambda label: np.greater_equal(label, 0), f"Use loss: mse. {RAW}")
POSITIVE = Taken("above 0", lambda label: np.greater(label, 0), f"Use loss: tweedie, which takes 0, or mse. {RAW}")
TWO = Taken(
    "0 or 1", lambda label: np.isin(label, (0, 1)), "Use loss: multiclass for other classes, or mse for numbers."
)
SHARES = Taken("from 0 to 1", lambda label: np.greater_equal(label, 0) & np.less_equal(label, 1), "Use loss: mse.")
CLASSES = Taken("a class", _all)
GRADES = Taken("any number, of which grades are made", _all)

# By rollq's name of each.
LOSSES: Mapping[str, Taken] = {
    **dict.fromkeys(("mse", "mae", "huber", "fair", "quantile", "mape"), NUMBERS),
    **dict.fromkeys(("poisson", "tweedie"), NOT_NEGATIVE),
    "gamma": POSITIVE,
    "binary": TWO,
    **dict.fromkeys(("cross_entropy", "cross_entropy_lambda"), SHARES),
    **dict.fromkeys(("multiclass", "multiclassova"), CLASSES),
    **dict.fromkeys(("lambdarank", "rank_xendcg"), GRADES),
}
# As LightGBM, XGBoost, CatBoost or scikit-learn call them.
SAME = {
    "mse": "regression regression_l2 l2 mean_squared_error rmse l2_root root_mean_squared_error reg:squarederror "
    "squared_error",
    "mae": "regression_l1 l1 mean_absolute_error reg:absoluteerror absolute_error",
    "huber": "reg:pseudohubererror",
    "mape": "mean_absolute_percentage_error",
    "poisson": "count:poisson",
    "quantile": "reg:quantileerror",
    "gamma": "reg:gamma",
    "tweedie": "reg:tweedie",
    "binary": "binary:logistic logloss log_loss",
    "multiclass": "softmax multi:softprob",
    "multiclassova": "multiclass_ova ova ovr multiclassonevsall",
    "cross_entropy": "xentropy crossentropy",
    "cross_entropy_lambda": "xentlambda",
    "lambdarank": "rank:ndcg yetirank",
    "rank_xendcg": "xendcg xe_ndcg xe_ndcg_mart xendcg_mart",
}
# A label that says of itself that it is a return has both signs.
SIGNED = "return"
MOST_CLASSES = 100


def loss_name(value: object, known: tuple[str, ...], key: str = KEY) -> str:
    """rollq's name of a loss.

    Args:
        value: as the template has it: rollq's name, or that of a library.
        known: those that the model has.

    Raises:
        ComponentError: it is unknown, or the model has none such.
    """
    text = value.lower() if isinstance(value, str) else ""
    found = next((ours for ours, names in SAME.items() if text in names.split()), text)
    if found not in known:
        raise ComponentError(f"{value!r} is unknown.", f"{did_you_mean(str(value), known)}", key)
    return found


def is_ranking(loss: object) -> bool:
    """Whether a loss compares the rows of one time with each other."""
    return isinstance(loss, str) and LOSSES.get(loss) is GRADES


def has_classes(loss: object) -> bool:
    """Whether its labels are classes, of which there may be several."""
    return isinstance(loss, str) and LOSSES.get(loss) is CLASSES


def check_kind(loss: object, dataset: Dataset) -> None:
    """Refuse a loss that cannot fit what a dataset says of its label, before anything is read.

    Raises:
        ComponentError: it takes other labels.
    """
    said = getattr(type(dataset), "label_kind", None)
    if said is None or said is Dataset.label_kind or not isinstance(loss, str) or loss not in LOSSES:
        return  # a dataset that says nothing is looked at when its rows are there
    taken = LOSSES[loss]
    if dataset.label_kind == SIGNED and taken in (NOT_NEGATIVE, POSITIVE, TWO, SHARES):
        what = f"loss {loss} takes labels {taken.words}, and the label is a return, which is negative, too."
        raise ComponentError(what, f"{taken.fix} If it is none, say so: label: {{expression: ..., kind: value}}.", KEY)


def check_labels(loss: object, label: Labels, index: pd.MultiIndex, segment: str) -> None:
    """Refuse labels that a loss does not take: a library would fail in its own words, or learn nonsense.

    Args:
        label: rows, no NaN.
        index: (datetime, instrument) of the rows, to name the first wrong one.

    Raises:
        PermanentError: it names the loss, a value, and the fix.
    """
    if not isinstance(loss, str) or loss not in LOSSES:
        return
    taken = LOSSES[loss]
    if len(wrong := np.flatnonzero(~taken.fits(label))):
        first = wrong[0]
        time, instrument = index[first]
        raise PermanentError(
            f"loss {loss} takes labels {taken.words}; {segment} has {label[first]!s} ({time} {instrument}), "
            f"{len(wrong)} of {len(label)} rows are wrong.",
            taken.fix,
        )
    if taken is NOT_NEGATIVE and not label.any():
        raise PermanentError(f"loss {loss} cannot learn from {segment}: every label is 0.", "Start it earlier.")
