"""A panel is written feature by feature, and read row by row: whatever the size of the blocks in which it is turned."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.workers.datasets import panel_writer
from rollq.workers.datasets.panel_cache import Panel, kept_panel
from rollq.workers.datasets.panel_writer import PanelWriter

ROWS = {"time_of": np.int32, "instrument_of": np.int32, "label": np.float32, "raw": np.float32}


def written(folder: Path, matrix: np.ndarray, times: pd.DatetimeIndex) -> Panel:
    """A panel of one instrument with a row at each time."""

    def build(writer: PanelWriter) -> None:
        writer.scratch("wide").write_bytes(b"what is not kept")
        for column in matrix.T:
            writer.add_feature(column)
        rows = {name: np.arange(len(matrix)).astype(kind) for name, kind in ROWS.items()}
        rows["instrument_of"] = np.zeros(len(matrix), np.int32)
        days = len(times.tz_localize(None).normalize().unique())
        writer.finish(times, ["one"], {**rows, "content": np.zeros(days, "S4")}, {"kind": ["a", 2.5]})

    return kept_panel(folder / "panel", build)


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(1, 40), features=st.integers(1, 5), block=st.integers(1, 300))
def test_features_are_turned_whatever_the_blocks(rows: int, features: int, block: int) -> None:
    matrix = np.random.default_rng(rows).normal(size=(rows, features)).astype(np.float32)
    matrix[0, 0] = np.nan
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel_writer, "BLOCK_BYTES", block)
        panel = written(Path(folder), matrix, pd.date_range("2020-01-01", periods=rows))
        assert panel.features.flags.c_contiguous
        np.testing.assert_array_equal(np.asarray(panel.features), matrix)
        assert panel.levels == {"kind": ["a", 2.5]}
        assert [
            path.suffix for path in (Path(folder) / "panel").iterdir() if path.suffix not in (".npy", ".json")
        ] == []


def test_times_of_a_zone_come_back_and_sessions_begin_where_their_days_do(tmp_path: Path) -> None:
    times = pd.date_range("2021-03-27 22:00", periods=30, freq="h", tz="Europe/Berlin")
    panel = written(tmp_path, np.zeros((30, 1)), times)
    assert list(panel.times) == list(times)
    assert [f"{day:%Y-%m-%d}" for day in panel.sessions] == ["2021-03-27", "2021-03-28", "2021-03-29"]
    assert panel.starts.tolist() == [0, 2, 25, 30]  # the second day has 23 hours
    assert panel.session_of(slice(1, 3)).tolist() == [0, 1]
