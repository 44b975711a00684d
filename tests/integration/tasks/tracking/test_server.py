"""An MLflow server over HTTP that goes away for ten seconds, and an experiment that several processes share."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollq.local.child import free_port
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.store import local_tracking_uri
from tests.integration.tasks.tracking.server import Server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, free_port()) as running:
        yield running


def test_a_server_that_is_away_for_ten_seconds_loses_nothing(own_server: Server) -> None:
    experiment = MLflowExperiment.open("away", own_server.uri)
    recorder = experiment.create_recorder("r", start=True)
    recorder.log_metrics({"m": 0.0}, step=0)
    recorder.flush()
    own_server.stop()
    back = threading.Timer(10.0, own_server.start)
    back.start()
    began = time.monotonic()
    for step in range(1, 200):
        recorder.log_metrics({"m": float(step)}, step=step)
    recorder.log_params(a=1)
    recorder.set_tags(b=2)
    assert time.monotonic() - began < 5, "logging does not wait for the server"
    recorder.end_run()
    back.join()
    found = experiment.get_recorder(recorder.id)
    history = found._stored._client.get_metric_history(found.id, "m")
    assert sorted(point.value for point in history) == [float(step) for step in range(200)]
    assert (found.status, found.list_params(), found.list_tags()["b"]) == ("FINISHED", {"a": "1"}, "2")


SHARED = """
import sys
from rollq import R
R.setup({"class": "MLflowExpManager", "kwargs": {"uri": sys.argv[1], "default_exp_name": "shared"}})
for number in range(5):
    with R.start(recorder_name=f"{sys.argv[2]}-{number}"):
        R.log_params(who=sys.argv[2], number=number)
        R.log_metrics(number=number)
"""


@pytest.mark.parametrize("kind", ["sqlite", "http"])
def test_processes_share_an_experiment(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    uri = local_tracking_uri(tmp_path) if kind == "sqlite" else request.getfixturevalue("server").uri
    processes = [subprocess.Popen([sys.executable, "-P", "-c", SHARED, uri, str(who)]) for who in range(4)]
    assert [process.wait(180) for process in processes] == [0] * 4
    experiment = MLflowExperiment.find("shared", uri)
    assert experiment
    records = experiment.search_records()
    assert sorted(records["tags.mlflow.runName"]) == sorted(f"{who}-{n}" for who in range(4) for n in range(5))
    assert set(records["status"]) == {"FINISHED"}
    assert (records["params.number"].astype(float) == records["metrics.number"]).all()
