"""One Booster of LightGBM: its data, what is called while it grows, and functions of one's own in LightGBM's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from rollq.tasks.components.model import Checkpoint
from rollq.tasks.errors import PermanentError
from rollq.workers.models.learning.losses import is_ranking
from rollq.workers.models.learning.own_functions import Loss, Metric, Values
from rollq.workers.models.learning.targets import queries
from rollq.workers.models.lightgbm_params import reason_of
from rollq.workers.models.lightgbm_table import FIXED
from rollq.workers.models.training_rows import TRAIN, Rows

FIX = "Look at model.kwargs, and at the labels of train."
Evals = dict[str, list[float]]


@dataclass(frozen=True)
class Data:
    """Rows of train and, if there are, of valid, in LightGBM's form."""

    train: lgb.Dataset
    valid: lgb.Dataset | None = None


@dataclass(frozen=True)
class Growth:
    """How boosters are grown.

    Args:
        rounds: most trees.
        patience: rounds without improvement after which it stops; None: never.
        loss, metrics: those of one's own.
    """

    rounds: int
    patience: int | None = None
    loss: Loss | None = None
    metrics: Sequence[Metric] = ()

    def grow(
        self,
        params: dict[str, object],
        data: Data,
        start: lgb.Booster | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> tuple[lgb.Booster, Evals]:
        """A new Booster, and its losses by round.

        Args:
            start: the Booster to add trees to.
            checkpoint: called after each tree.

        Raises:
            PermanentError: LightGBM cannot train it.
        """
        recorded: dict[str, dict[str, list[float]]] = {}
        callbacks = [lgb.record_evaluation(recorded)]
        if self.patience:
            # With several metrics the first one decides, as the template lists them; LightGBM would stop at whichever
            # stands still.
            callbacks.append(lgb.early_stopping(self.patience, first_metric_only=True, verbose=False))
        if checkpoint is not None:
            # After each tree: the only moment at which LightGBM lets Python in, and so at which an attempt can stop.
            callbacks.append(lambda _: checkpoint())
        if self.loss is not None:
            params = {**params, "objective": _objective(self.loss)}
        try:
            booster = lgb.train(
                params,
                data.train,
                self.rounds,
                # Without valid the losses of train are recorded, so that every model has a curve.
                valid_sets=[data.train if data.valid is None else data.valid],
                valid_names=[TRAIN if data.valid is None else "valid"],
                feval=[_evaluation(metric) for metric in self.metrics] or None,
                init_model=start,
                callbacks=callbacks,
            )
        except lgb.basic.LightGBMError as error:
            raise PermanentError(f"LightGBM cannot train it: {reason_of(str(error))}.", FIX) from error
        return booster, {f"{name}_{metric}": list(v) for name, found in recorded.items() for metric, v in found.items()}


def data_of(rows: Rows, loss: object, categories: Sequence[str], reference: lgb.Dataset | None = None) -> lgb.Dataset:
    """Rows in LightGBM's form.

    Args:
        rows: with labels as the loss wants them.
        categories: names of the features that are codes of categories.
        reference: the rows of train, whose bins count.
    """
    places = [rows.names.index(name) for name in categories if name in rows.names]
    return lgb.Dataset(
        rows.features,
        rows.label,
        reference=reference,
        weight=rows.weight,
        group=queries(rows.index) if is_ranking(loss) else None,
        categorical_feature=places or "auto",
        params=FIXED,
    )


def _objective(loss: Loss) -> Callable[[Values, lgb.Dataset], tuple[Values, Values]]:
    def objective(prediction: Values, data: lgb.Dataset) -> tuple[Values, Values]:
        return loss.derivatives(prediction, *_known(data))

    return objective


def _evaluation(metric: Metric) -> Callable[[Values, lgb.Dataset], tuple[str, float, bool]]:
    def evaluation(prediction: Values, data: lgb.Dataset) -> tuple[str, float, bool]:
        return metric.name, metric.value(prediction, *_known(data)), metric.higher_is_better

    return evaluation


def _known(data: lgb.Dataset) -> tuple[Values, Values | None]:
    weight = data.get_weight()
    return np.asarray(data.get_label(), np.float64), None if weight is None else np.asarray(weight, np.float64)
