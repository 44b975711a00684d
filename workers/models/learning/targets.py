"""Labels as a loss wants them: numbers of classes, grades of relevance, queries of a ranking."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import ComponentError, PermanentError
from rollq.workers.models.learning.losses import MOST_CLASSES, check_labels, has_classes, is_ranking
from rollq.workers.models.training_rows import TRAIN, Rows

log = logging.getLogger(__name__)

GRADES = 5
LARGEST_GRADE = 30  # LightGBM's own gains end there
LONGEST_QUERY = 10_000  # LightGBM's limit


@dataclass(frozen=True)
class Target:
    """How a loss sees labels, as it was found on train.

    Args:
        loss: rollq's name, or a function of one's own.
        classes: the labels that train has, sorted, where they are classes.
        grades: of how many grades relevance is; None: the labels are grades already.
    """

    loss: object
    classes: tuple[float, ...] = ()
    grades: int | None = None

    @classmethod
    def of_train(cls, loss: object, rows: Rows, grades: int | None) -> Target:
        """What is found on the rows of train.

        Args:
            grades: what the template says; None: ``GRADES``, unless labels are small whole numbers.

        Raises:
            PermanentError: train has one class alone, or too many to be classes.
        """
        if has_classes(loss):
            return cls(loss, classes=_classes(rows.label))
        if is_ranking(loss):
            return cls(loss, grades=grades or (None if _are_grades(rows.label) else GRADES))
        return cls(loss)

    def seen(self, rows: Rows, segment: str) -> Rows:
        """Rows with the label that the loss wants; rows of classes that train does not have are left out.

        Raises:
            PermanentError: the loss does not take these labels.
        """
        check_labels(self.loss, rows.label, rows.index, segment)
        if self.classes:
            return self._numbered(rows, segment)
        if not is_ranking(self.loss):
            return rows
        if max(queries(rows.index), default=0) > LONGEST_QUERY:
            raise PermanentError(
                f"{segment} has a time with more than {LONGEST_QUERY} rows, which is the longest that can be ranked.",
                "Make the universe smaller.",
            )
        if self.grades is not None:
            return replace(rows, label=grades_of(rows.label, rows.index, self.grades))
        if not _are_grades(rows.label):
            raise PermanentError(
                f"The labels of train are grades (0 to {LARGEST_GRADE}), those of {segment} are others.",
                "Give model.kwargs.grades, so that grades are made of them.",
            )
        return rows

    def _numbered(self, rows: Rows, segment: str) -> Rows:
        """Labels as positions among the classes of train."""
        classes = np.array(self.classes)
        place = np.searchsorted(classes, rows.label).clip(max=len(classes) - 1)
        known = classes[place] == rows.label
        if not known.any():
            raise PermanentError(f"{segment} has no row of a class that train has.", "Use a longer train.")
        if known.all():
            return replace(rows, label=place.astype(np.float64))
        log.warning("%d rows of %s are of classes that train does not have: left out", (~known).sum(), segment)
        weight = None if rows.weight is None else rows.weight[known]
        return Rows(rows.features[known], place[known].astype(np.float64), rows.names, rows.index[known], weight)


def queries(index: pd.MultiIndex) -> list[int]:
    """How many rows each time has, in order: the rows of one time are ranked among each other."""
    codes = index.codes[0]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]]) if len(codes) else np.array([], int)
    return [int(size) for size in np.diff(np.r_[starts, len(codes)])]


def weights_of_queries(weight: npt.NDArray[np.float64], sizes: list[int]) -> npt.NDArray[np.float64]:
    """The weight of each query, the mean of its rows'.

    Args:
        weight: of the rows, in the order of their queries.
        sizes: how many rows each query has.
    """
    found: npt.NDArray[np.float64] = np.add.reduceat(weight, np.cumsum([0, *sizes[:-1]])) / sizes
    return found


def grades_of(label: npt.NDArray[np.generic], index: pd.MultiIndex, grades: int) -> npt.NDArray[np.float64]:
    """Grades 0 to ``grades - 1``: the quantile of each label among those of its own time, and of no other."""
    times = index.codes[0]
    by_time = pd.Series(np.asarray(label, np.float64)).groupby(times)
    # The middle of a row's place: equal labels have the same, and a row alone is in the middle.
    share = (by_time.rank() - 0.5) / by_time.transform("size")
    found: npt.NDArray[np.float64] = np.floor(share.to_numpy() * grades).clip(0, grades - 1)
    return found


def check_grades(grades: object, loss: object) -> None:
    """Refuse a number of grades that is none, or that has no effect.

    Raises:
        ComponentError: it is so.
    """
    if grades is None:
        return
    key = "model.kwargs.grades"
    if isinstance(grades, bool) or not isinstance(grades, int) or not 2 <= grades <= LARGEST_GRADE + 1:
        fix = f"Use a whole number from 2 to {LARGEST_GRADE + 1}."
        raise ComponentError(f"{grades!r} is no number of grades.", fix, key)
    if not is_ranking(loss):
        raise ComponentError("it has no effect without a loss that ranks.", "Use lambdarank, or leave it out.", key)


def _are_grades(label: npt.NDArray[np.generic]) -> bool:
    values = np.unique(label).astype(np.float64)
    return bool(((values >= 0) & (values <= LARGEST_GRADE) & (values == np.floor(values))).all())


def _classes(label: npt.NDArray[np.generic]) -> tuple[float, ...]:
    found = np.unique(label)
    if len(found) < 2:
        raise PermanentError(f"Every label of {TRAIN} is {found[0]!s}: there is one class.", "Use a longer train.")
    if len(found) > MOST_CLASSES:
        raise PermanentError(
            f"The label has {len(found)} different values in {TRAIN}, too many to be classes ({MOST_CLASSES}).",
            "Use classes as the label, or loss: mse for numbers.",
        )
    return tuple(float(value) for value in found)
