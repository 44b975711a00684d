"""How good probabilities of classes are.

Sources: Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950); Hanley
and McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982). scikit-learn's ``roc_auc_score``
(classes against the rest, mean over classes), ``log_loss``, ``brier_score_loss``, ``accuracy_score`` and ``f1_score``
(macro) are the same.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.predictions.pooling import MEAN, Pooled, RowSums

PROBABILITY = re.compile(r"^p_(.+)$")
SMALLEST = float(np.finfo(float).eps)  # a probability of 0 counts as this one: its logarithm is finite
Floats = npt.NDArray[np.float64]


def class_columns(outputs: pd.DataFrame) -> dict[float, str]:
    """The columns of probabilities, such as ``p_2``, by the class that the label names so, the lowest first."""
    found: dict[float, str] = {}
    for name in outputs.columns:
        match = PROBABILITY.match(str(name))
        try:
            number = float(match[1]) if match else None
        except ValueError:
            number = None
        if number is not None:
            found[number] = str(name)
    return dict(sorted(found.items()))


def class_metrics(probabilities: pd.DataFrame, label: pd.Series) -> dict[str, RowSums]:
    """What each row adds to the metrics of classes; a row without a label or without a probability adds to none.

    Args:
        probabilities: a column for each class, named as the label names it (numbers), indexed as the label. Rows need
            not add up to 1: they are divided by their sum.
        label: the class that came; one without a column has the probability 0.

    Returns:
        ``Log Loss``: mean of -log(probability of the class that came, at least the smallest step of float64);
        ``Brier``: mean over rows of the sum over classes of (probability - 1 if it came)^2, half of it for two classes;
        ``Accuracy``: share of rows whose most probable class came, the first of equal ones; ``F1 Macro``: mean over the
        classes that came or were predicted of 2 tp / (2 tp + fp + fn).
    """
    classes = [float(name) for name in probabilities.columns]
    p, y, known = _arrays(probabilities, label)
    came = y[:, None] == np.asarray(classes)
    of_class = np.where(came, p, 0.0).sum(axis=1)
    guess = np.argmax(p, axis=1)
    guessed = np.arange(len(classes)) == guess[:, None]
    # A class that came and has no column is a square error of 1 in a column of its own.
    square = ((p - came) ** 2).sum(axis=1) + ~came.any(axis=1)
    counts = np.stack([guessed & came, guessed & ~came, ~guessed & came], axis=-1).reshape(len(p), -1)
    return {
        "Log Loss": RowSums.of(MEAN, -np.log(np.clip(of_class, SMALLEST, 1.0)), 1, where=known),
        "Brier": RowSums.of(MEAN, square / (2 if len(classes) == 2 else 1), 1, where=known),
        "Accuracy": RowSums.of(MEAN, (guessed & came).any(axis=1), 1, where=known),
        "F1 Macro": RowSums("f1", np.where(known[:, None], counts, 0).astype(float)),
    }


def area_under_curve(probabilities: pd.DataFrame, label: pd.Series) -> Pooled:
    """``AUC``: how often a row of the class has a higher probability than a row of another; ties count half.

    Of two classes that of the second one; of more the mean over classes, each against the rest, of those that came and
    did not come. Windows are pooled by their numbers of rows with a label: rows of two windows are not compared with
    each other, as two models gave them.

    Args:
        probabilities, label: as for ``class_metrics``.

    Returns:
        NaN, where only one class came.
    """
    classes = [float(name) for name in probabilities.columns]
    p, y, known = _arrays(probabilities, label)
    p, y = p[known], y[known]
    chosen = [1] if len(classes) == 2 else range(len(classes))
    areas = [_area(p[:, place], y == classes[place]) for place in chosen]
    found = [area for area in areas if not np.isnan(area)]
    rows = float(len(y)) if found else 0.0
    return Pooled(MEAN, (float(np.mean(found)) * rows if found else 0.0, rows))


def area_by(probabilities: pd.DataFrame, label: pd.Series, keys: pd.Index) -> pd.Series:
    """``AUC`` of each group of rows.

    Args:
        probabilities, label: as for ``class_metrics``.
        keys: the group of each row.

    Returns:
        By group; NaN, where only one class came.
    """
    classes = [float(name) for name in probabilities.columns]
    p, y, known = _arrays(probabilities, label)
    groups = keys[known]
    found = {}
    for place in [1] if len(classes) == 2 else range(len(classes)):
        frame = pd.DataFrame({"came": y[known] == classes[place]})
        frame["rank"] = pd.Series(p[known, place]).groupby(groups).rank() * frame["came"]
        sums = frame.groupby(groups).agg(count=("came", "sum"), size=("came", "size"), ranks=("rank", "sum"))
        others = sums["size"] - sums["count"]
        area = (sums["ranks"] - sums["count"] * (sums["count"] + 1) / 2) / (sums["count"] * others)
        found[place] = area.where((sums["count"] > 0) & (others > 0))
    return pd.DataFrame(found).mean(axis=1)


def _area(score: Floats, came: npt.NDArray[np.bool_]) -> float:
    """By the ranks of those that came (Mann and Whitney): ties have their mean rank."""
    count, others = int(came.sum()), int((~came).sum())
    if not count or not others:
        return float("nan")
    ranks = pd.Series(score).rank().to_numpy()
    return float((ranks[came].sum() - count * (count + 1) / 2) / (count * others))


def _arrays(probabilities: pd.DataFrame, label: pd.Series) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Probabilities that add up to 1, labels, and which rows have both; the others are made harmless."""
    p, y = probabilities.to_numpy(dtype=float), label.to_numpy(dtype=float)
    sums = p.sum(axis=1)
    known = np.isfinite(y) & np.isfinite(sums) & (sums > 0)
    p = np.where(known[:, None], p, 1.0) / np.where(known, sums, p.shape[1])[:, None]
    return p, np.where(known, y, np.nan), known
