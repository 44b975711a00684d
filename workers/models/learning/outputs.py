"""What a model says beside its score: quantiles and probabilities, by the names that records know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]


def quantile_name(alpha: float) -> str:
    """The column of a quantile: ``q0.1``."""
    return f"q{alpha:g}"


def class_name(value: float) -> str:
    """The column of a class's probability: ``p_2``."""
    return f"p_{value:g}"


def central(alphas: Sequence[float]) -> int:
    """Which of the quantiles is the score: the one nearest to the median, of two the lower one."""
    return min(range(len(alphas)), key=lambda number: (round(abs(alphas[number] - 0.5), 12), alphas[number]))


def class_outputs(index: pd.Index, classes: Sequence[float], probabilities: Values) -> pd.DataFrame:
    """A column for each class; ``probabilities`` are rows x classes."""
    return pd.DataFrame(probabilities, index=index, columns=[class_name(value) for value in classes])


def of_two(positive: Values) -> Values:
    """Rows x 2: the probabilities of 0 and of 1."""
    return np.column_stack([1.0 - positive, positive])


def expected(classes: Sequence[float], probabilities: Values) -> Values:
    """The expected value of the class, ``sum(p_k k)``: the score of a model of classes."""
    found = np.zeros(len(probabilities))
    # Class by class: a matrix product rounds a row differently in other company.
    for value, column in zip(classes, probabilities.T, strict=True):
        found += value * column
    return found
