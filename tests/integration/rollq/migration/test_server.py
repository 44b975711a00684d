"""A server of MLflow as a source: what pyqlib recorded there comes over as from a folder; it is only asked."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from rollq import Backend
from rollq.local.child import free_port
from rollq.tasks.tracking.mlflow.experiment import find_run
from tests.command_line import CommandLine
from tests.imported_runs import new_name
from tests.integration.tasks.tracking.server import Server
from tests.qlib_runs import WINDOWS, make_runs


def _all(client: MlflowClient) -> str:
    """What a server says of its runs."""
    (experiment,) = [one for one in client.search_experiments() if one.name == "daily"]
    runs = sorted(client.search_runs([experiment.experiment_id]), key=lambda run: run.info.run_id)
    return json.dumps([run.to_dictionary() for run in runs])


def test_runs_of_a_server_come_over(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With their predictions, what served, and nothing twice."""
    command, name = CommandLine(monkeypatch, capsys, backend.settings), new_name()
    only = ("--experiment", "daily")
    with Server(tmp_path, free_port()) as server:
        make_runs(tmp_path, server.uri)
        client = MlflowClient(server.uri)
        before = _all(client)
        dry = command("import", "qlib", server.uri, *only, "--name", name, "--dry-run", "--json")
        assert dry.code == 0, dry.err
        assert dry.json["counts"]["wanted"] == len(WINDOWS)
        done = command("import", "qlib", f"{server.uri}/", *only, "--name", name, "--json")
        assert (done.code, done.json["counts"]["imported"]) == (0, len(WINDOWS)), done.err
        again = command("import", "qlib", server.uri, *only, "--name", name, "--json")
        assert again.json["counts"]["known"] == len(WINDOWS)
        assert _all(client) == before
        (experiment,) = done.json["experiments"]
        theirs = [pd.read_pickle(client.download_artifacts(run["id"], "pred.pkl")) for run in experiment["runs"]]
    for run, their in zip(experiment["runs"], theirs, strict=True):
        mine = find_run(run["recorder_id"], backend.settings.mlflow_uri).load_object("pred.pkl")
        pd.testing.assert_frame_equal(mine, their.sort_index(), check_freq=False, check_index_type=False)
    shown = command("online", "show", name, "--json")
    assert len(shown.json[0]["models"]) == len(WINDOWS)
