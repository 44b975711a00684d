"""Definitions of a script: what they are made of is found, and labels that look into their test segment are named."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from rollq.tasks.ingredients.identified import identified
from tests.online_strategies import DAYS, write_prices

START = 60  # of test, by sessions


def task(folder: Path, **last: int) -> dict[str, Any]:
    """A task whose segments before test end that many sessions before it; its label looks two sessions ahead."""
    ends = {name: str(DAYS[START - gap])[:10] for name, gap in last.items()}
    return {
        "model": {"class": "RidgeModel"},
        "dataset": {
            "class": "PanelDataset",
            "kwargs": {
                "path": str(folder / "prices.parquet"),
                "features": [{"op": "momentum", "windows": [1]}],
                "label": {"op": "forward_return", "horizon": 1, "start": 1},
                "segments": {
                    **{name: (str(DAYS[30])[:10], end) for name, end in ends.items()},
                    "test": (str(DAYS[START])[:10], None),
                },
            },
        },
        "record": [{"class": "SignalRecord"}],
    }


@pytest.mark.parametrize(
    ("last", "named"),
    [({"train": 3}, False), ({"train": 2}, True), ({"train": 1}, True), ({"train": 9, "valid": 1}, True), ({}, False)],
)
def test_labels_that_look_into_the_test_segment_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, last: dict[str, int], named: bool
) -> None:
    write_prices(tmp_path / "prices.parquet")
    with caplog.at_level(logging.WARNING):
        made = identified([task(tmp_path, **last)] * 2)
    assert all("identity" in one for one in made)
    assert ("2 tasks learn from labels that look into their test segment" in caplog.text) is named
    assert ("trunc_days=3" in caplog.text) is named
