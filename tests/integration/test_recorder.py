"""Recorder and experiment on a real MLflow store: artifacts with checksums, long params, races, paging."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollq import (
    ArtifactCorrupted,
    ArtifactMissing,
    BadInput,
    InvalidTransition,
    MLflowExperiment,
    MLflowRecorder,
    NotFound,
)
from tasks.tracking_store import local_tracking_uri, prepare_tracking


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = local_tracking_uri(tmp_path_factory.mktemp("mlflow"))
    prepare_tracking(made)
    return made


@pytest.fixture
def recorder(uri: str) -> MLflowRecorder:
    return MLflowExperiment.open("e", uri).create_recorder("run", {"a": "b"})


def again(uri: str, recorder: MLflowRecorder) -> MLflowRecorder:
    return MLflowExperiment.open("e", uri).get_recorder(recorder.id)


def test_what_is_saved_comes_back(uri: str, recorder: MLflowRecorder, tmp_path: Path) -> None:
    index = pd.MultiIndex.from_product(
        [pd.to_datetime(["2020-01-01", "2020-01-02"]), ["A", "B"]], names=["datetime", "instrument"]
    )
    series = pd.Series(np.arange(4.0), index=index, name="score")
    frame = pd.DataFrame({"x": [1.5, None], "y": ["a", "b"]})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.txt").write_text("tree")
    recorder.save_objects(
        pred=series, frame=frame, task={"b": (1, 2), "a": None}, note="text", model=tmp_path / "folder"
    )
    recorder.save_objects("deep/er", value=[1, 2])
    found = again(uri, recorder)
    pd.testing.assert_series_equal(found.load_object("pred.parquet"), series, check_index_type=False, check_freq=False)
    pd.testing.assert_frame_equal(found.load_object("frame.parquet"), frame)
    assert found.load_object("task.json") == {"a": None, "b": [1, 2]}
    assert found.load_object("note.txt") == "text"
    assert found.load_object("deep/er/value.json") == [1, 2]
    assert (found.load_folder("model") / "model.txt").read_text() == "tree"
    assert len(found.checksums()) == len(found.list_artifacts()) == 6


def test_a_flipped_byte_and_a_lost_file_are_refused(uri: str, recorder: MLflowRecorder) -> None:
    recorder.save_objects(pred=pd.DataFrame({"x": [1.0]}), task={"a": 1})
    folder = recorder.get_local_dir()
    assert folder
    content = bytearray((folder / "pred.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "pred.parquet").write_bytes(content)
    (folder / "task.json").unlink()
    with pytest.raises(ArtifactCorrupted):
        again(uri, recorder).load_object("pred.parquet")
    for name in ("task.json", "never.json"):
        with pytest.raises(ArtifactMissing):
            again(uri, recorder).load_object(name)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\x00b", "a\\b", "c:x"])
def test_a_path_cannot_leave_the_folder(recorder: MLflowRecorder, name: str) -> None:
    with pytest.raises(BadInput):
        recorder.save_objects(**{name: {"a": 1}})
    with pytest.raises(BadInput):
        recorder.load_object(name)


def test_a_value_without_a_safe_form_is_refused(recorder: MLflowRecorder) -> None:
    with pytest.raises(BadInput):
        recorder.save_objects(thing=object())


def test_params_of_any_length_and_name(uri: str, recorder: MLflowRecorder) -> None:
    params = {f"p{n}": n for n in range(150)}
    recorder.log_params({**params, "model": {"kwargs": {"long": "x" * 10_000, "list": [1, 2]}}, "odd%name": 1})
    found = again(uri, recorder)
    assert found.params["model.kwargs.list"] == "[1, 2]"
    assert "params.json" in found.params["model.kwargs.long"]
    assert found.load_object("params.json")["model.kwargs.long"] == "x" * 10_000
    assert len(found.params) == 153


def test_metrics_and_their_history(uri: str, recorder: MLflowRecorder) -> None:
    recorder.log_metrics({"Rank IC": 0.5, "IC": -0.25})
    recorder.log_history({"valid_l2": [float(n) for n in range(1500)]})
    found = again(uri, recorder)
    assert (found.metrics["Rank IC"], found.metrics["IC"], found.metrics["valid_l2"]) == (0.5, -0.25, 1499.0)


def test_a_run_ends_once(uri: str, recorder: MLflowRecorder) -> None:
    with pytest.raises(InvalidTransition):
        recorder.end("RUNNING")
    recorder.end("FINISHED")
    with pytest.raises(InvalidTransition):
        recorder.end("FINISHED")
    recorder.supersede("its commit was refused")
    found = again(uri, recorder)
    assert (found.status, found.tags["rollq.superseded"]) == ("FAILED", "its commit was refused")


def test_listing_pages_through_everything(uri: str) -> None:
    experiment = MLflowExperiment.open("many", uri)
    made = {experiment.create_recorder(f"r{n}").id for n in range(7)}
    assert {found.id for found in experiment.list_recorders(page=2)} == made
    with pytest.raises(NotFound):
        experiment.get_recorder("nothing")


def test_many_processes_make_one_store_and_one_experiment(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from rollq import MLflowExperiment\n"
        "from tasks.tracking_store import prepare_tracking\n"
        "prepare_tracking(sys.argv[1])\n"
        "print(MLflowExperiment.open('same', sys.argv[1]).id)\n"
    )
    uri = local_tracking_uri(tmp_path)
    command = [sys.executable, "-P", "-c", script, uri]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(set(answers)) == 1
