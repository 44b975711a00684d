"""A workflow file of Qlib's is kept online: new sessions in its data folder are predicted and published."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rollq import Backend, OnlineManager, TrainerR
from rollq.enqueueing import load_strategy
from rollq.scheduler.routine.ledger import Routines, RoutineState
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.updates.prediction_tasks import prediction_pool
from rollq.tasks.queue.states import TaskState
from rollq.workers.qlib.data.frames import NAMES
from tests import qlib_data

DAYS = qlib_data.days()
KNOWN, LATER, STEP = 322, 324, 40  # sessions; test begins at 280, so a window begins at 320


def test_new_sessions_are_predicted_with_what_the_model_was_trained_on(backend: Backend, tmp_path: Path) -> None:
    folder = qlib_data.write_folder(tmp_path / "cn", sessions=KNOWN, instruments=4)
    path = tmp_path / "workflow_config_linear.yaml"
    path.write_text(qlib_data.workflow(folder, "linear", online={"begin": DAYS[KNOWN - 1]}), encoding="utf-8")
    strategy = load_strategy(path, backend.settings, step=STEP, rtype="sliding")
    made = OnlineManager(strategy, TrainerR, backend=backend, name=strategy.name)
    made.first_train(timeout=120)
    qlib_data.write_folder(folder, sessions=LATER, instruments=4)
    made.routine(DAYS[LATER - 1], timeout=120)
    history = Routines(backend).history(strategy.name)
    assert [(one.session, one.status) for one in history] == [
        (day, RoutineState.DONE) for day in DAYS[KNOWN - 1 : LATER]
    ]
    predicted = backend.tasks.find(prediction_pool(strategy.name))
    assert [task.status for task in predicted] == [TaskState.DONE] * (LATER - KNOWN)
    signals = SignalLedger(backend).read(strategy.name)
    days = pd.DatetimeIndex(signals.index.get_level_values(NAMES[0]))
    assert [f"{day:%Y-%m-%d}" for day in days.unique()] == DAYS[280:LATER]
    assert signals.notna().all(axis=None)
    assert signals.groupby(level=NAMES[0]).size().eq(4).all()
