"""What a model says beside its score: quantiles and probabilities, by the names that records know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Form:
    """What comes out of the trees of a loss, and what is made of it.

    Args:
        quantiles: of a loss of quantiles, one value of each row for each.
        classes: of a loss of classes, one probability for each.
        binary: the value is the probability of 1.
    """

    quantiles: Sequence[float] = ()
    classes: Sequence[float] = ()
    binary: bool = False

    @property
    def says_more(self) -> bool:
        """Whether there is more to say than the score."""
        return bool(self.quantiles or self.classes or self.binary)

    def score(self, said: Values) -> Values:
        """A value for each row.

        Args:
            said: rows, or rows x values.
        """
        if self.quantiles and said.ndim > 1:
            found: Values = said[:, central(self.quantiles)]
            return found
        return expected(self.classes, said) if self.classes else said

    def outputs(self, index: pd.Index, said: Values) -> pd.DataFrame:
        """A column for each quantile or class; ``said`` as of ``score``."""
        if self.quantiles:
            names = [quantile_name(alpha) for alpha in self.quantiles]
            return pd.DataFrame(said.reshape(len(index), -1), index=index, columns=names)
        return class_outputs(index, self.classes or (0, 1), said if self.classes else of_two(said))
