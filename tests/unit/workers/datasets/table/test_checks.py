"""No feature, rule or weight uses the label before it is known; a label is known when it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import DataError, TemplateError
from tests.tables import bars, table

DECLARED = {"column": "y", "lookahead": 5}


def labelled(lookahead: int = 5) -> pd.DataFrame:
    """Bars with a label that was made elsewhere, and a column that it may be compared with."""
    frame = bars()
    later = frame.groupby("symbol")["close"].shift(-lookahead)
    return frame.assign(y=later / frame["close"] - 1, ybar=frame["volume"])


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"features": ["y"]}, "features: y"),
        ({"features": ["rank(mean(y, 5))"]}, "features: rank"),
        ({"features": ["lag(y, 4)"]}, "features: lag"),
        ({"features": ["lag(y, 9d)"]}, "features: lag"),
        ({"features": ["close"], "categorical": ["y"]}, "features: y"),
        ({"weight": "abs(y)"}, "weight: abs"),
        ({"weight": {"by": "abs(y)", "age": 20}}, "weight: abs"),
        ({"universe": {"rule": "y > 0"}}, "universe: y"),
        ({"universe": {"column": "y"}}, "universe: y"),
        ({"features": ["ybar"], "label": {**DECLARED, "residual": {"to": "ybar"}}}, "features: ybar uses ybar"),
    ],
)
def test_a_declared_label_is_used_by_nothing_before_it_is_known(
    tmp_path: Path, changes: dict[str, Any], where: str
) -> None:
    with pytest.raises(DataError, match=f"{where}.*before it is known") as caught:
        table(tmp_path, labelled(), **{"label": DECLARED, "data_checks": False, **changes}).check()
    assert "5" in caught.value.fix


def test_a_declared_label_is_used_once_it_is_known(tmp_path: Path) -> None:
    past = {"features": ["lag(y, 5)", "mean(lag(y, 6), 3)"], "universe": {"rule": "fillna(lag(y, 5), 1) > -1"}}
    table(tmp_path, labelled(), label=DECLARED, weight="abs(lag(y, 5))", data_checks=False, **past).check()


@pytest.mark.parametrize("changes", [{"universe": {"rule": "volume > 300"}}, {"weight": "volume"}])
def test_a_label_of_its_row_is_used_by_no_rule_and_no_weight(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="volume of its own row"):
        table(tmp_path, label="volume", features=["close"], **changes).check()


def test_patterns_leave_the_label_out(tmp_path: Path) -> None:
    dataset = table(tmp_path, labelled(), label=DECLARED, features=["y*", "c*"], data_checks=False)
    dataset.check()
    assert dataset.feature_names == ["ybar", "close"]
    with pytest.raises(TemplateError, match="no column fits"):
        table(tmp_path, labelled().drop(columns="ybar"), label=DECLARED, features=["y*"]).check()


def test_each_instrument_is_asked_when_its_label_is_known(tmp_path: Path) -> None:
    frame = labelled()
    honest = frame["symbol"] == "S00"
    frame.loc[honest, "y"] = frame[honest]["close"].shift(-1)
    with pytest.raises(DataError, match="later than 1, of 11 of 12 instruments") as caught:
        table(tmp_path / "late", frame, label={**DECLARED, "lookahead": 1}, data_checks=False).check()
    assert "lookahead: 5" in caught.value.fix
    gone = labelled()
    gone = gone[(gone["symbol"] != "S03") | (gone["date"] < "2020-12-01")]  # one that is no longer traded
    gone.loc[gone["symbol"] == "S04", "y"] = gone["y"].where(gone["date"] < gone["date"].max() - pd.Timedelta(days=9))
    table(tmp_path / "gone", gone, label=DECLARED, data_checks=False).check()


def test_rows_ahead_count_where_they_are(tmp_path: Path) -> None:
    frame = labelled().assign(promo=1.0)
    options = {"known_ahead": {"promo": 14}, "data_checks": False}
    with pytest.raises(DataError, match="later than 1"):
        table(tmp_path / "none", frame, label={**DECLARED, "lookahead": 1}, **options).check()
    present = frame["date"].unique()[-11]
    later = frame["date"] > present
    ahead = frame.assign(y=frame["volume"].groupby(frame["symbol"]).shift(-1)).sort_values(["symbol", "date"])
    ahead.loc[later, ["open", "high", "low", "close", "volume", "y"]] = np.nan
    ahead.loc[frame["date"] == present, "y"] = np.nan
    features = {"features": ["volume", "lead(promo, 3)"], "label": {**DECLARED, "lookahead": 1}}
    table(tmp_path / "ten", ahead, **features, **options).check()
