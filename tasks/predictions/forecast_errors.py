"""How far forecasts are from what came: errors of numbers.

With the forecast f and the label y of a row, and e = f - y. Sources: Hyndman and Koehler, Another look at measures of
forecast accuracy, International Journal of Forecasting 22 (2006), for all but R2; scikit-learn has the same MAE, RMSE,
MAPE and R2.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rollq.tasks.predictions.pooling import DETERMINATION, MEAN, QUADRATIC, RowSums

INSTRUMENT = "instrument"
MOST_ZEROS = 0.01  # of the labels of train: with more of them, MAPE is that of the rows that are left


def known_pairs(score: pd.Series, label: pd.Series) -> pd.DataFrame:
    """The rows that have both a score and a label, finite: columns ``score`` and ``label`` (float64)."""
    pairs = pd.DataFrame({"score": score.astype(float), "label": label.astype(float)})
    return pairs.replace([np.inf, -np.inf], np.nan).dropna()


def forecast_errors(
    pairs: pd.DataFrame, scale: pd.Series | None = None, train: pd.Series | None = None
) -> dict[str, RowSums]:
    """What each row adds to the errors.

    Args:
        pairs: as ``known_pairs`` gives them, indexed (datetime, instrument).
        scale: of MASE, in units of the label, by instrument (``naive_scale``); None: there is no MASE.
        train: the labels of the train segment, which say what means something; None: everything does.

    Returns:
        In units of the label: ``MAE`` (mean of abs(e)), ``RMSE`` (root of the mean of e squared), ``Bias`` (mean of e).
        As shares: ``MAPE`` (mean of abs(e / y); rows whose label is 0 are left out, and there is none where more than
        1 % of train are 0), ``sMAPE`` (mean of 2 abs(e) / (abs(f) + abs(y)); 0 where both are 0) and ``WAPE`` (sum of
        abs(e) / sum of abs(y)).
        ``R2``: 1 - sum of e squared / sum of squared deviations of y from its mean.
        ``Hit Rate``: the share of rows whose forecast has the sign of the label; rows whose label is 0 are left out,
        and there is none where train has one sign alone.
        ``MASE``: mean of abs(e) / scale of the row's instrument; rows without a scale above 0 are left out.
    """
    f, y = pairs["score"].to_numpy(), pairs["label"].to_numpy()
    e, there = f - y, y != 0
    size = np.abs(f) + np.abs(y)
    scaled, by = np.zeros(len(pairs), dtype=bool), np.ones(len(pairs))
    if scale is not None:
        of_row = scale.reindex(pairs.index.get_level_values(INSTRUMENT)).to_numpy(dtype=float)
        scaled = of_row > 0  # NaN, the scale of an instrument that train has not, is not above 0 either
        by = np.where(scaled, of_row, 1)
    # The main ones first: so they stand wherever metrics are shown.
    found = {
        "MAE": RowSums.of(MEAN, np.abs(e), 1),
        "WAPE": RowSums.of(MEAN, np.abs(e), np.abs(y)),
        "MASE": RowSums.of(MEAN, np.abs(e) / by, 1, where=scaled),
        "RMSE": RowSums.of(QUADRATIC, e**2, 1),
        "Bias": RowSums.of(MEAN, e, 1),
        "R2": RowSums.of(DETERMINATION, 1, y, y**2, e**2),
        "sMAPE": RowSums.of(MEAN, 2 * np.abs(e) / np.where(size > 0, size, 1), 1),
        "MAPE": RowSums.of(MEAN, np.abs(e) / np.where(there, np.abs(y), 1), 1, where=there),
        "Hit Rate": RowSums.of(MEAN, np.sign(f) == np.sign(y), 1, where=there),
    }
    left_out = _meaningless(train) + ([] if scale is not None else ["MASE"])
    return {name: one for name, one in found.items() if name not in left_out}


def naive_scale(label: pd.Series, forecast: pd.Series) -> pd.Series:
    """The mean absolute error of a naive forecast, by instrument.

    Args:
        label: of the train segment, indexed (datetime, instrument): what lies in the test segment must have no part in
            the scale.
        forecast: of the same rows; NaN where there is none.

    Returns:
        By instrument, in units of the label; NaN where no row has both.
    """
    errors = (label - forecast.reindex(label.index)).abs().replace([np.inf, -np.inf], np.nan)
    return errors.groupby(level=INSTRUMENT, observed=True).mean()


def _meaningless(train: pd.Series | None) -> list[str]:
    """Metrics that say nothing of such labels: all forecasts have the sign that all labels have, or what is divided by
    is often 0.
    """
    if train is None:
        return []
    signs = np.sign(train[np.isfinite(train)])
    found = ["Hit Rate"] if not ((signs > 0).any() and (signs < 0).any()) else []
    return found + (["MAPE"] if (signs == 0).mean() > MOST_ZEROS else [])
