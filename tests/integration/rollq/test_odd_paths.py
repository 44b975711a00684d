"""A state folder whose name has any characters is the one that is used, by every server of the stack."""

from __future__ import annotations

from pathlib import Path

import redis

from rollq.local.stack import LocalStack
from rollq.tasks.config.settings import load_settings
from rollq.tasks.mongo.client import Store
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment


def test_odd_characters_in_the_state_folder(tmp_path: Path) -> None:
    folder = tmp_path / "what? #1 100%41 'ü' \"b\" a=1&b"
    with LocalStack(folder) as stack:
        assert stack.runtime
        settings = stack.runtime.settings(load_settings(state_dir=folder))
        store = Store.of(settings)
        store.collection("odd").insert_one({"_id": 1})
        store.close()
        with redis.Redis.from_url(settings.redis_url) as client:
            client.set("odd", "1")
        recorder = MLflowExperiment.open("odd", settings.mlflow_uri).create_recorder("first")
        recorder.start_run()
        recorder.save_objects(**{"a b.json": {"a": 1}})
        recorder.end_run()
        assert recorder.load_object("a b.json") == {"a": 1}
    assert (folder / "mlflow.db").stat().st_size > 0
    assert {path.name for path in folder.iterdir()} >= {"mlflow.db", "mongo", "redis", "artifacts"}
    assert not [path for path in tmp_path.iterdir() if path.is_file()]  # a name that was cut off
