"""A recorder on a real store, SQLite and over HTTP: what is logged comes back, whole and in order; its life."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from rollq.tasks.errors import ArtifactMissing, BadInput, InvalidTransition, NotFound, NotLogged, StateError
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.experiment import Experiment
from rollq.tasks.tracking.runs.lifecycle import RECORDER_STATES, RecorderStatus
from rollq.tasks.tracking.runs.recorder import Recorder


def again(experiment: MLflowExperiment, recorder: Recorder) -> MLflowRecorder:
    return experiment.get_recorder(recorder.id)


def test_params_metrics_and_tags_come_back_whole(experiment: MLflowExperiment) -> None:
    recorder = experiment.create_recorder("r", start=True)
    long_name = "n" * 300
    recorder.log_params({f"p{n}": n for n in range(150)})
    recorder.log_params({"model": {"kwargs": {"long": "x" * 10_000, "list": [1, 2]}}}, lr=0.05, **{"odd%name": 1})
    recorder.log_params({long_name: "long name"})
    recorder.log_metrics({"Rank IC": 0.5}, IC=-0.25)
    recorder.log_metrics({"loss": 2.0}, step=1)
    recorder.log_metrics({"loss": 1.0}, step=2)
    recorder.log_history({"valid_l2": [float(n) for n in range(1_500)]})
    recorder.set_tags({"a": 1, long_name: "tag"}, b="two")
    recorder.end_run()
    found = again(experiment, recorder)
    params = found.list_params()
    assert len(params) == 155
    assert (params["p7"], params["lr"], params["odd%name"], params[long_name]) == ("7", "0.05", "1", "long name")
    assert params["model.kwargs.list"] == "[1, 2]"
    assert params["model.kwargs.long"] == "x" * 10_000
    assert "long_values.json" in found.params["model.kwargs.long"]
    assert found.list_metrics() == {"Rank IC": 0.5, "IC": -0.25, "loss": 1.0, "valid_l2": 1499.0}
    tags = found.list_tags()
    assert (tags["a"], tags["b"], tags[long_name]) == ("1", "two", "tag")
    found.delete_tags("a")
    assert "a" not in found.list_tags()
    with pytest.raises(NotFound, match="no tag"):
        found.delete_tags("a")


def test_the_facts(experiment: MLflowExperiment) -> None:
    recorder = experiment.create_recorder("r")
    assert recorder.info == {
        "class": "Recorder",
        "id": recorder.id,
        "name": "r",
        "experiment_id": experiment.id,
        "start_time": recorder.start_time,
        "end_time": None,
        "status": "SCHEDULED",
    }
    assert recorder == again(experiment, recorder)
    assert len({recorder, again(experiment, recorder)}) == 1
    assert recorder.id in repr(recorder)
    assert experiment.info["recorders"] == [recorder.id]
    assert recorder.get_artifact_uri()


@pytest.mark.parametrize("start", list(RecorderStatus))
@pytest.mark.parametrize("end", list(RecorderStatus))
def test_the_life_of_a_recorder_is_the_table(local: MLflowExperiment, start: str, end: str) -> None:
    recorder = local.create_recorder("r")
    for step in {"SCHEDULED": (), "RUNNING": ("RUNNING",), "FINISHED": ("RUNNING", "FINISHED"), "FAILED": ("FAILED",)}[
        start
    ]:
        recorder.start_run() if step == "RUNNING" else recorder.end_run(step)
    assert again(local, recorder).status == start
    change = recorder.start_run if end == "RUNNING" else lambda: recorder.end_run(end)
    if end in RECORDER_STATES.ends(RecorderStatus(start)):
        change()
        assert again(local, recorder).status == end
    else:
        with pytest.raises(InvalidTransition):
            change()
        assert again(local, recorder).status == start


def test_a_delayed_recorder_is_never_shown_finished_before_it_ran(local: MLflowExperiment) -> None:
    recorder = local.create_recorder("delayed")
    recorder.log_params({"prepared": True})
    with pytest.raises(InvalidTransition):
        recorder.end_run()
    assert again(local, recorder).status == "SCHEDULED"


def test_what_mlflow_refuses_is_raised_with_its_name_and_nothing_else_is_lost(local: MLflowExperiment) -> None:
    recorder = local.create_recorder("r", start=True)
    recorder.log_params(a=1, b=1)
    recorder.flush()
    recorder.log_params(a=2, c=3)  # a param cannot change
    recorder.log_metrics(m=1.0)
    with pytest.raises(NotLogged, match="param 'a'"):
        recorder.end_run()
    found = again(local, recorder)
    assert (found.status, found.list_params(), found.list_metrics()) == (
        "FAILED",
        {"a": "1", "b": "1", "c": "3"},
        {"m": 1.0},
    )
    other = local.create_recorder("next call", start=True)
    other.log_params(a=1)
    other.flush()
    other.log_params(a=2)
    other._writer.flush()
    with pytest.raises(NotLogged):
        other.log_metrics(m=1.0)
    other.log_metrics(m=2.0)
    other.end_run()
    assert again(local, other).list_metrics() == {"m": 2.0}


def test_where_a_run_comes_from(local: MLflowExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    from rollq.tasks.tracking.runs import provenance

    provenance._collected.cache_clear()
    monkeypatch.setenv("ROLLQ_MONGO_URI", "mongodb://user:hunter2@host/")
    monkeypatch.setenv("ROLLQ_API_TOKEN", "hunter3")
    calls: list[tuple[str, ...]] = []
    ask = provenance._git
    monkeypatch.setattr(provenance, "_git", lambda *arguments: calls.append(arguments) or ask(*arguments))
    recorders = [local.create_recorder(f"r{n}") for n in range(3)]
    provenance._collected.cache_clear()
    assert len(calls) <= 4, "once per process, not once per run"
    recorders[-1].flush()
    found = again(local, recorders[-1]).load_object("provenance.json")
    assert {"command", "environment", "git_commit", "host", "libraries", "python", "user"} <= set(found)
    assert found["environment"]["ROLLQ_MONGO_URI"] == "mongodb://***@host/"
    assert found["environment"]["ROLLQ_API_TOKEN"] == "***"
    assert "hunter" not in str(found)
    assert {"numpy", "pandas", "mlflow-skinny"} <= set(found["libraries"])
    assert again(local, recorders[0]).tags["rollq.host"] == found["host"]


def test_a_forked_child_never_writes_into_its_parents_run(local: MLflowExperiment) -> None:
    recorder = local.create_recorder("parent", start=True)
    recorder.log_metrics(m=1.0)
    pid = os.fork()
    if pid == 0:
        codes = []
        for write in (
            lambda: recorder.log_metrics(m=2.0),
            lambda: recorder.set_tags(x=1),
            lambda: recorder.save_objects(x=1),
            recorder.end_run,
        ):
            try:
                write()
                codes.append(1)
            except StateError:
                codes.append(0)
        os._exit(sum(codes))
    assert os.waitpid(pid, 0)[1] == 0
    recorder.end_run()
    found = again(local, recorder)
    assert (found.status, found.list_metrics(), "x" in found.list_tags()) == ("FINISHED", {"m": 1.0}, False)
    assert "x.json" not in found.list_artifacts()


def test_listing_pages_filters_and_streams(experiment: MLflowExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollq.tasks.tracking.mlflow.experiment.PAGE", 2)
    made = [experiment.create_recorder(f"r{n}", {"n": str(n)}, start=True) for n in range(5)]
    made[0].log_params(lr=0.1)
    made[0].log_metrics(ic=0.5)
    made[0].end_run()
    made[1].end_run("FAILED")
    listed = experiment.list_recorders()
    assert list(listed) == [recorder.id for recorder in reversed(made)]
    assert len(experiment.list_recorders(Experiment.RT_L, max_results=3)) == 3
    assert [r.id for r in experiment.list_recorders("list", status="FINISHED")] == [made[0].id]
    assert [r.id for r in experiment.list_recorders("list", filter_string="tags.n = '3'", status="RUNNING")] == [
        made[3].id
    ]
    assert next(experiment.iter_recorders()).id == made[-1].id
    with pytest.raises(BadInput):
        experiment.list_recorders("set")  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        experiment.list_recorders(status="DONE")
    with pytest.raises(BadInput, match="filter"):
        experiment.list_recorders(filter_string="nonsense ~ 1")
    frame = experiment.search_records(order_by=["attributes.start_time ASC"])
    assert list(frame["run_id"]) == [recorder.id for recorder in made]
    assert {"experiment_id", "status", "artifact_uri", "start_time", "end_time"} <= set(frame.columns)
    assert (frame["params.lr"][0], frame["metrics.ic"][0], frame["tags.n"][4]) == ("0.1", 0.5, "4")
    assert frame["metrics.ic"][1:].isna().all()
    assert list(frame["status"][:2]) == ["FINISHED", "FAILED"]
    assert len(experiment.search_records("tags.n = '1'")) == 1
    assert experiment.search_records("tags.n = 'x'").empty


def test_a_program_that_knows_only_mlflow_sees_the_same(experiment: MLflowExperiment, uri: str) -> None:
    recorder = experiment.create_recorder("r", start=True)
    recorder.log_params(lr=0.1)
    recorder.save_objects(note="text")
    recorder.end_run()
    run = MlflowClient(uri).get_run(recorder.id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"lr": "0.1"})
    assert "note.txt" in [item.path for item in MlflowClient(uri).list_artifacts(recorder.id)]


def test_files_and_folders(experiment: MLflowExperiment, tmp_path: Path) -> None:
    recorder = experiment.create_recorder("r", start=True)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "b.txt").write_text("b")
    (tmp_path / "in" / "a.txt").write_text("a")
    recorder.log_artifact(tmp_path / "in" / "a.txt")
    recorder.log_artifact(str(tmp_path / "in"), "folder")
    recorder.save_objects(tmp_path / "in" / "a.txt", "other")
    names = {"a.txt", "folder/a.txt", "folder/deep/b.txt", "other/a.txt"}
    found = again(experiment, recorder)
    assert names <= set(found.list_artifacts())
    assert found.list_artifacts("folder") == ["folder/a.txt", "folder/deep/b.txt"]
    assert Path(found.load_object("a.txt")).read_text() == "a"
    assert Path(found.download_artifact("folder/deep/b.txt", tmp_path / "out")).read_text() == "b"
    assert (Path(found.download_artifact("folder", tmp_path / "out")) / "deep" / "b.txt").read_text() == "b"
    with pytest.raises(BadInput, match="no file or folder"):
        recorder.log_artifact(tmp_path / "nowhere")
    with pytest.raises(ArtifactMissing):
        found.download_artifact("nowhere")
