"""Trainers that only wait: workers of Celery train, now or later, and the recorders are the same."""

from __future__ import annotations

from pathlib import Path

from rollq import Backend, DelayTrainerRM, MLflowExperiment, TrainerRM
from tests.acceptance.processes.worker_processes import worker
from tests.integration.workers.test_task_train import definitions


def test_workers_train_what_trainers_ask_for(backend: Backend, tmp_path: Path) -> None:
    now, later = definitions(tmp_path)
    with worker(backend.settings, processes=1):
        trained = TrainerRM("runs", "pool", skip_run_task=True, backend=backend)([now])
        delayed = DelayTrainerRM("runs", "pool", skip_run_task=True, backend=backend)
        begun = delayed.train([later, now])
        assert [recorder.status for recorder in begun] == ["SCHEDULED", "FINISHED"]
        ended = delayed.end_train(begun)
    assert ended == begun
    assert begun[1] == trained[0]
    found = MLflowExperiment.open("runs", backend.settings.mlflow_uri).list_recorders(status="FINISHED")
    assert {recorder.id for recorder in ended} <= set(found)
    assert all("rollq.worker" in found[recorder.id].tags for recorder in ended)
