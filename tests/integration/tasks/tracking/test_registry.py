"""The model registry: an online set's models are versions, and a program that knows MLflow alone loads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from rollq import Backend, DelayTrainer, MLflowExperiment
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.mlflow_sync import sync_models
from rollq.scheduler.online.online_set import OnlineSet
from rollq.tasks.tracking.mlflow.registry import ONLINE, PREVIOUS, Candidate, ModelRegistry
from rollq.workers.datasets.panel import PanelDataset
from tests.acceptance.processes.worker_processes import worker
from tests.acceptance.test_main_job import plan


def run_of(experiment: MLflowExperiment, folder: Path) -> Candidate:
    """A run that holds a (hollow) model."""
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "MLmodel").write_text("flavors: {}\n")
    recorder = experiment.create_recorder("r", start=True)
    recorder.save_objects(model=folder / "model")
    recorder.end_run()
    return Candidate(recorder.id, recorder.get_artifact_uri(), {"n": "1"})


def test_aliases_move_forwards_and_back(experiment: MLflowExperiment, uri: str, tmp_path: Path) -> None:
    registry, name = ModelRegistry(uri), f"it's {experiment.name}"
    first, second, third = (run_of(experiment, tmp_path) for _ in range(3))
    assert registry.aliased(name) is None
    assert registry.promote(name, [first, second]) == "2"
    assert (registry.aliased(name), registry.aliased(name, PREVIOUS)) == ("2", None)
    assert registry.promote(name, [first, second]) == "2"
    assert registry.aliased(name, PREVIOUS) is None, "the same again is nothing new"
    assert registry.promote(name, [second, third]) == "3"
    assert (registry.aliased(name, ONLINE), registry.aliased(name, PREVIOUS)) == ("3", "2")
    assert registry.promote(name, [first, second]) == "2"
    assert (registry.aliased(name, ONLINE), registry.aliased(name, PREVIOUS)) == ("2", "3"), "a rollback"
    assert MlflowClient(uri).get_model_version(name, "3").tags == {"n": "1"}


@pytest.fixture
def online(backend: Backend) -> OnlineSet:
    found = plan(backend.settings)
    trainer = DelayTrainer(f"registry{backend.settings.mongo_database}", backend=backend)
    purpose = replace(found.purpose, strategy=trainer._pool)
    trained = trainer.start_round(trainer.open_round(found.definitions, purpose))
    with worker(backend.settings, 2):
        return trainer.wait(trained, timeout=120)


@pytest.mark.filterwarnings("ignore")  # MLflow's own, when its pyfunc is imported
def test_an_mlflow_user_loads_what_is_online_and_predicts_the_same(
    backend: Backend, online: OnlineSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = backend.settings.mlflow_uri
    newest = max(online.models, key=lambda model: model.test[0])
    recorder = MLflowExperiment.open(online.pool, uri).get_recorder(newest.recorder_id)
    definition = recorder.load_object("task")
    dataset = PanelDataset(**definition["dataset"]["kwargs"])
    monkeypatch.chdir(backend.settings.state_dir)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{online.strategy}@online")
    predicted = loaded.predict(dataset.prepare("test", "feature").to_numpy())
    np.testing.assert_array_equal(predicted, recorder.load_object("pred.parquet")["score"].to_numpy())
    np.testing.assert_array_equal(predicted, recorder.load_object("params.pkl").predict(dataset).to_numpy())
    versions = MlflowClient(uri).search_model_versions(f"name='{online.strategy}'")
    assert {version.run_id for version in versions} == {model.recorder_id for model in online.models}
    assert sync_models(backend, OnlineSets(backend.store).current(online.strategy)) == ModelRegistry(uri).aliased(
        online.strategy
    )
    assert len(MlflowClient(uri).search_model_versions(f"name='{online.strategy}'")) == len(versions)
