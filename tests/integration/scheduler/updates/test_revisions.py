"""Late revisions: just the days whose features changed are predicted and published again; what was said stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rollq import Backend
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.serving import served
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.updates.prediction_tasks import prediction_pool
from rollq.scheduler.updates.revisions import find_revised, revise
from rollq.trainers import TrainerR
from rollq.workers.datasets.panel import PanelDataset
from tests.online_strategies import DAYS, LIVED, RIDGE, closes, manager, sha256_of, template, write_prices

PUBLISHED = DAYS[45:62]
LINE = {"name": "line", "model": {"class": "RidgeModel", "kwargs": {"alpha": 9.0}}}


def features(path: Path, cache: Path) -> pd.DataFrame:
    kwargs = template(path).definition["dataset"]["kwargs"]
    dataset = PanelDataset(**{**kwargs, "segments": {"test": [PUBLISHED[0], PUBLISHED[-1]]}, "cache_dir": str(cache)})
    return dataset.prepare("test")


def revised_prices() -> pd.DataFrame:
    """A hundred closes are others than they were: few of them where signals were published."""
    chance, prices = np.random.default_rng(11), closes().copy()
    days = prices["datetime"].dt.strftime("%Y-%m-%d")
    near = np.flatnonzero(days.isin([DAYS[48], DAYS[57], DAYS[58]]))
    far = np.flatnonzero(~days.between(DAYS[41], PUBLISHED[-1]))
    rows = np.concatenate([chance.choice(near, 8, replace=False), chance.choice(far, 92, replace=False)])
    prices.iloc[rows, prices.columns.get_loc("close")] *= chance.uniform(0.9, 1.1, 100).astype("float32")
    return prices


def test_a_hundred_revisions(backend: Backend, tmp_path: Path) -> None:
    path, name = write_prices(tmp_path / "prices.parquet"), "revised"
    made = manager(backend, template(path, name, RIDGE, challengers=[LINE]))
    made.simulate(LIVED[-1], timeout=60)
    strategy, trainer, ledger = made.strategies[0], TrainerR(name, backend=backend), SignalLedger(backend)
    signals, known = ledger.read(name), features(path, tmp_path / "cache")
    assert find_revised(backend, strategy) == []
    (first,) = ledger.entries(name)

    write_prices(path, revised_prices())
    differ = (features(path, tmp_path / "cache") != known).any(axis=1)
    changed = sorted({f"{day:%Y-%m-%d}" for day, _ in differ.index[differ]})
    assert 0 < len(changed) < len(PUBLISHED)
    found = revise(backend, strategy, trainer, "me", timeout=60)
    assert list(found.sessions) == changed
    assert found.model_days == 2 * len(changed)  # of the champion, and of the challenger
    again = [
        (task.definition["predict"]["recorder_id"], day)
        for task in backend.tasks.find(prediction_pool(name), definitions=True)
        for day in task.definition["predict"]["days"] or []
    ]
    history = OnlineSets(backend.store).history(name)
    serve = [(part.model.recorder_id, day) for part in served(history, changed, challengers=True) for day in part.days]
    assert sorted(again) == sorted(serve)  # each model-day once, and no other

    now = ledger.read(name)
    same = ~signals.index.get_level_values("datetime").isin(pd.DatetimeIndex(changed))
    pd.testing.assert_frame_equal(now[same], signals[same])
    moved = {f"{day:%Y-%m-%d}" for day, _ in now.index[(now["score"] != signals["score"]).to_numpy()]}
    assert moved == set(changed)
    assert ledger.entries(name)[-1].days == tuple(changed)
    before = ledger.read(name, as_of=first.at)
    assert sha256_of(before, tmp_path) == sha256_of(signals, tmp_path)

    assert revise(backend, strategy, trainer, "me", timeout=60).model_days == 0  # all was found
    write_prices(path)  # the revision is taken back
    assert revise(backend, strategy, trainer, "me", timeout=60).model_days == 2 * len(changed)
    assert sha256_of(ledger.read(name), tmp_path) == sha256_of(signals, tmp_path)
    assert len(ledger.entries(name)) == 3
