"""What XGBoost calls while it trains: functions of one's own, early stopping, the checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from rollq.tasks.components.model import Checkpoint
from rollq.workers.models.learning import own_functions
from rollq.workers.models.learning.outputs import Values

if TYPE_CHECKING:
    import xgboost

Objective = Callable[[Values, "xgboost.DMatrix"], tuple[Values, Values]]


def objective_of(loss: own_functions.Loss) -> Objective:
    """A loss of one's own in XGBoost's form."""

    def objective(prediction: Values, data: xgboost.DMatrix) -> tuple[Values, Values]:
        return loss.derivatives(np.asarray(prediction, np.float64), *_known(data))

    return objective


def evaluation_of(
    metrics: list[own_functions.Metric],
) -> Callable[[Values, xgboost.DMatrix], list[tuple[str, float]]]:
    """Metrics of one's own in XGBoost's form."""

    def evaluation(prediction: Values, data: xgboost.DMatrix) -> list[tuple[str, float]]:
        found = np.asarray(prediction, np.float64)
        return [(metric.name, metric.value(found, *_known(data))) for metric in metrics]

    return evaluation


def _known(data: xgboost.DMatrix) -> tuple[Values, Values | None]:
    weight = np.asarray(data.get_weight(), np.float64)
    return np.asarray(data.get_label(), np.float64), weight if len(weight) else None


def stopping(
    patience: object, params: Mapping[str, object], metrics: list[own_functions.Metric]
) -> xgboost.callback.TrainingCallback:
    """Stops when the first metric has stood still; only the trees up to the best round are kept."""
    import xgboost

    told = params.get("eval_metric")
    first = str(told[0]) if isinstance(told, list) else metrics[0].name if metrics else None
    more = metrics[0].higher_is_better if metrics and not told else None
    return xgboost.callback.EarlyStopping(
        rounds=patience, metric_name=first, data_name="valid", maximize=more, save_best=True
    )


def calling(checkpoint: Checkpoint) -> xgboost.callback.TrainingCallback:
    """Calls it after each round: the only moment at which an attempt can stop."""
    import xgboost

    class Calling(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: object) -> bool:
            checkpoint()
            return False

    return Calling()
