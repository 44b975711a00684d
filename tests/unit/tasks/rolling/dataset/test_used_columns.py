"""A column that a record names and the data do not have is refused before a window is cut."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rollq import DataError, Record, TemplateError
from rollq.tasks.rolling.dataset.used_columns import check_used_columns
from rollq.workers.datasets.table.dataset import TableDataset
from tests.tables import SEGMENTS, bars, write


class NeedsAWorker(Record):
    def __init__(self, recorder=None, model=None, dataset=None) -> None:
        raise AssertionError("it is made by a worker alone")

    def generate(self):
        return {}


OWN = (f"{__name__}:NeedsAWorker",)


@pytest.fixture
def dataset(tmp_path: Path) -> TableDataset:
    index = pd.DataFrame({"date": pd.bdate_range("2020-01-01", periods=300), "level": 1.0})
    path, joined = write(bars(), tmp_path), write(index, tmp_path, "index.parquet")
    other = write(index.assign(date=index["date"] + pd.DateOffset(years=40)), tmp_path, "late.parquet")
    join = [{"path": joined}, {"path": other, "prefix": "late_"}]
    kwargs = {"features": ["close"], "label": "lead(close, 1)", "join": join, "cache_dir": str(tmp_path / "cache")}
    return TableDataset(path=path, segments=SEGMENTS, **kwargs)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"class": "PortfolioRecord", "kwargs": {"price": "clse"}}, r"record\[0\].kwargs.price"),
        (
            {"class": "PortfolioRecord", "kwargs": {"benchmark": {"column": "levl"}}},
            r"record\[0\].kwargs.benchmark.column",
        ),
        ({"class": "ForecastRecord", "kwargs": {"by": ["instrument", "sectr"]}}, r"record\[0\].kwargs.by"),
        ({"class": "IntervalRecord", "kwargs": {"by": "sectr"}}, r"record\[0\].kwargs.by"),
        ({"class": "ClassificationRecord", "kwargs": {"by": "sectr"}}, r"record\[0\].kwargs.by"),
    ],
)
def test_a_column_that_is_not_there_is_named(dataset: TableDataset, config: dict, key: str) -> None:
    with pytest.raises(TemplateError, match=f"{key}: the dataset has no column '.*'") as refused:
        check_used_columns({"record": [config]}, dataset, ())
    assert "Did you mean" in refused.value.fix


def test_what_is_there_is_good_and_what_only_a_record_joins_is_read(dataset: TableDataset) -> None:
    good = {"class": "PortfolioRecord", "kwargs": {"benchmark": {"column": "level"}}}
    check_used_columns({"record": [good, {"class": "NeedsAWorker"}]}, dataset, OWN)
    late = {"class": "ForecastRecord", "kwargs": {"by": ["late_level"]}}
    with pytest.raises(DataError, match=r"join\[1\]: no row of the main table has a row there"):
        check_used_columns({"record": [late]}, dataset, ())
