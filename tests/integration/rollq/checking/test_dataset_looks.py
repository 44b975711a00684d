"""A feature that is the label in other words is named; it is no error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rollq.checking.dataset_looks import label_in_features
from rollq.checking.inspection import LookAt
from rollq.workers.datasets.table.dataset import TableDataset
from tests.tables import SEGMENTS, bars, write


def test_a_later_return_among_the_features_is_named(tmp_path: Path) -> None:
    frame = bars()
    close = frame.set_index(["date", "symbol"])["close"].unstack()
    later = (close.shift(-3) / close.shift(-1) - 1).stack(future_stack=True)
    noise = np.random.default_rng(1).normal(0, 0.0005, len(later))
    frame["factor"] = -np.exp(10 * (later.to_numpy() + noise))
    kwargs = {"path": write(frame, tmp_path), "label": "lead(close, 3) / lead(close, 1) - 1", "segments": SEGMENTS}
    kwargs |= {"cache_dir": str(tmp_path / "cache"), "categorical": ["sector"]}
    clean = TableDataset(features=["close / lag(close, 2) - 1", "volume", "sector"], **kwargs)
    assert "no feature says the label" in label_in_features(clean)
    with pytest.raises(LookAt, match=r"in train\): 'factor' \((0\.9|1\.0)"):
        label_in_features(TableDataset(features=["volume", "factor", "sector"], **kwargs))
