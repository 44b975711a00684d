"""Windows are cut as the label needs, unless the template says more; less is refused with the number that is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rollq.tasks.config.settings import load_settings
from rollq.tasks.definition import segments_of
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.cutter import WindowCutter
from rollq.tasks.rolling.template import load_template
from tests.tables import bars, write

SEGMENTS = {
    "train": ["2020-02-03", "2020-08-31"],
    "valid": ["2020-09-01", "2020-10-30"],
    "test": ["2020-11-02", "2021-01-29"],
}
DATASET = {"path": "table.parquet", "features": ["close / lag(close, 5) - 1"], "segments": SEGMENTS}
LABEL = "lead(close, 6) / lead(close, 1) - 1"


def cutter(folder: Path, label: str = LABEL, **rolling: Any) -> WindowCutter:
    path = Path(write(bars(), folder)).parent / "t.yaml"
    dataset = {"class": "TableDataset", "kwargs": {**DATASET, "label": label}}
    model = {"class": "LGBModel", "kwargs": {"num_boost_round": 5}}
    path.write_text(
        yaml.safe_dump({"model": model, "dataset": dataset, "rolling": {"kwargs": {"step": 20, **rolling}}})
    )
    settings = load_settings(state_dir=folder / "state")
    return WindowCutter(load_template(path, settings), settings)


def ends(found: WindowCutter) -> list[int]:
    """How many sessions lie between train and valid, and between valid and test, of the first window."""
    segments = segments_of(found.all().definitions[0])
    place = {name: [found.sessions.index(str(day)[:10]) for day in bounds] for name, bounds in segments.items()}
    return [place["valid"][0] - place["train"][1] - 1, place["test"][0] - place["valid"][1] - 1]


def test_what_is_not_written_is_what_the_label_needs(tmp_path: Path) -> None:
    assert ends(cutter(tmp_path)) == [6, 6]
    assert ends(cutter(tmp_path, label="lead(close, 1) / close - 1")) == [1, 1]
    assert ends(cutter(tmp_path, trunc_days=7)) == [0, 6]  # as templates were cut before
    assert ends(cutter(tmp_path, trunc_days=10, purge=8)) == [8, 9]
    assert ends(cutter(tmp_path, embargo=3)) == [9, 9]


@pytest.mark.parametrize(
    ("rolling", "says"),
    [
        ({"trunc_days": 6}, r"trunc_days: .* 6 sessions ahead.*"),
        ({"trunc_days": 7, "purge": 5}, r"purge: .*6 sessions ahead, from each segment"),
        ({"purge": "3d"}, r"purge: .* 6 sessions ahead"),
        ({"trunc_days": "3d"}, r"trunc_days: .* 6 sessions ahead"),
    ],
)
def test_less_is_refused_with_what_is_needed(tmp_path: Path, rolling: dict[str, Any], says: str) -> None:
    with pytest.raises(TemplateError, match=says) as refused:
        cutter(tmp_path, **rolling).all()
    needed = 7 if "trunc_days" in str(refused.value) else 6
    assert f"{needed} or more" in str(refused.value.fix)


def test_records_that_are_left_out_are_those_of_the_label(tmp_path: Path) -> None:
    kinds = {
        LABEL: "SigAnaRecord",
        "lead(volume, 1)": "ForecastRecord",
        "lead(close, 1) > close": "ClassificationRecord",
    }
    for label, record in kinds.items():
        definition = cutter(tmp_path, label).all().definitions[0]
        assert [one["class"] for one in definition["record"]][:2] == ["SignalRecord", record]
