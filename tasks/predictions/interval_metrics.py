"""How good quantiles and the intervals between them are.

Sources: Koenker and Bassett, Regression quantiles, Econometrica 46 (1978), for the pinball loss; Gneiting and Raftery,
Strictly proper scoring rules, JASA 102 (2007). scikit-learn's ``mean_pinball_loss`` is the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from rollq.tasks.predictions.pooling import MEAN, RowSums

QUANTILE = re.compile(r"^q(0?\.\d+)$")


def quantile_columns(outputs: pd.DataFrame) -> dict[float, str]:
    """The columns of quantiles, such as ``q0.1``, by their level, the lowest first."""
    found = {float(match[1]): str(name) for name in outputs.columns if (match := QUANTILE.match(str(name)))}
    return dict(sorted(found.items()))


def interval_metrics(outputs: pd.DataFrame, label: pd.Series, columns: Mapping[float, str]) -> dict[str, RowSums]:
    """What each row adds to the metrics of quantiles; a row without a label or without a quantile adds to none.

    Args:
        outputs: a column for each quantile, indexed as the label, in its units.
        label: what came.
        columns: as ``quantile_columns`` gives them.

    Returns:
        ``Pinball q0.1`` of each level q: mean of q (y - f) where the label y is above the quantile f, of (1 - q)
        (f - y) elsewhere; ``Pinball``, their mean over the levels. Of each pair of levels q and 1 - q, here 0.1 and
        0.9: ``Coverage 80%``, the share of labels between both, bounds included, and ``Width 80%``, the mean distance
        of both, in units of the label.
    """
    y = label.to_numpy(dtype=float)
    values = {level: outputs[name].to_numpy(dtype=float) for level, name in columns.items()}
    known = np.isfinite(y) & np.all([np.isfinite(one) for one in values.values()], axis=0)
    y = np.where(known, y, 0.0)
    values = {level: np.where(known, one, 0.0) for level, one in values.items()}
    losses = {level: np.maximum(level * (y - f), (level - 1) * (y - f)) for level, f in values.items()}
    found = {"Pinball": RowSums.of(MEAN, np.mean(list(losses.values()), axis=0), 1, where=known)}
    for level, loss in losses.items():
        found[f"Pinball q{level:g}"] = RowSums.of(MEAN, loss, 1, where=known)
    for low, high in _pairs(values):
        inside = (values[low] <= y) & (y <= values[high])
        name = f"{round(100 * (high - low), 6):g}%"
        found[f"Coverage {name}"] = RowSums.of(MEAN, inside, 1, where=known)
        found[f"Width {name}"] = RowSums.of(MEAN, values[high] - values[low], 1, where=known)
    return found


def _pairs(levels: Mapping[float, object]) -> list[tuple[float, float]]:
    """The levels below one half whose counterpart is there, too: 0.1 and 0.9."""
    ordered = list(levels)
    return [(low, high) for low in ordered for high in ordered if low < 0.5 and abs(low + high - 1) < 1e-9]
