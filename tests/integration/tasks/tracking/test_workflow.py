"""``R``: a block ends FINISHED or FAILED, whatever happens in it; nothing is nested; children have their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import mlflow
import pytest

from rollq import R, Recorder
from rollq.tasks.errors import BadInput, ComponentError, InvalidTransition, NotFound, NotLogged, StateError
from rollq.tasks.tracking.manager import MLflowExpManager
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.workflow import Workflow
from tests.acceptance.processes.worker_processes import wait_until

_numbers = iter(range(1_000_000))


@pytest.fixture
def name() -> str:
    return f"workflow{next(_numbers)}"


@pytest.fixture
def r(sqlite_uri: str, name: str) -> Workflow:
    made = Workflow()
    made.setup(MLflowExpManager(sqlite_uri, name))
    return made


def the_only_one(uri: str, name: str) -> object:
    (recorder,) = MLflowExperiment.open(name, uri).list_recorders("list")
    return recorder


def test_a_block_records_and_ends(r: Workflow, sqlite_uri: str, name: str) -> None:
    with r.start(experiment_name=name, recorder_name="first") as recorder:
        r.log_params({"a": {"b": 1}}, lr=0.1)
        r.log_metrics({"ic": 0.5}, step=1)
        r.set_tags(kind="test")
        r.save_objects(note="text")
        assert r.get_recorder() is recorder
        assert r.load_object("note") == "text"
        assert recorder.status == "RUNNING"
    assert r.exp_manager.active_experiment is None
    found = the_only_one(sqlite_uri, name)
    assert (found.status, found.name) == ("FINISHED", "first")
    assert found.list_params() == {"a.b": "1", "lr": "0.1"}
    assert r.get_recorder(recorder_id=recorder.id, experiment_name=name) == recorder
    assert list(r.list_recorders(experiment_name=name)) == [recorder.id]
    assert name in r.list_experiments()
    assert len(r.search_records([recorder.experiment_id])) == 1
    r.delete_recorder(recorder_id=recorder.id)
    assert r.list_recorders(experiment_name=name) == {}
    r.delete_exp(experiment_name=name)
    with pytest.raises(NotFound):
        r.get_exp(experiment_name=name, create=False)


def test_an_exception_ends_it_failed_with_the_traceback(r: Workflow, sqlite_uri: str, name: str) -> None:
    def fail() -> None:
        with r.start():
            r.log_metrics(m=1.0)
            1 / 0  # noqa: B018

    with pytest.raises(ZeroDivisionError):
        fail()
    found = the_only_one(sqlite_uri, name)
    assert (found.status, found.list_metrics()) == ("FAILED", {"m": 1.0})
    assert "ZeroDivisionError" in found.load_object("traceback.txt")
    with r.start():  # and the next one is free to begin
        pass


def test_what_could_not_be_logged_is_raised_at_the_end(r: Workflow, sqlite_uri: str, name: str) -> None:
    def change_a_param() -> None:
        with r.start() as recorder:
            r.log_params(a=1)
            recorder.flush()
            r.log_params(a=2)

    with pytest.raises(NotLogged, match="param 'a'"):
        change_a_param()
    assert the_only_one(sqlite_uri, name).status == "FAILED"


def test_nested_use_is_refused_and_harms_nothing(r: Workflow) -> None:
    with r.start() as outer:
        with pytest.raises(StateError, match="cannot be nested"), r.start():
            raise AssertionError("it must not begin")
        assert r.get_recorder() is outer
        refused: list[str] = []

        def other() -> None:
            try:
                with r.start():
                    refused.append("began")
            except StateError:
                refused.append("refused")
            r.log_metrics(from_thread=1.0)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert refused == ["refused"]
    assert outer.list_metrics() == {"from_thread": 1.0}, "a thread of the block logs into its recorder"


def test_many_threads_log_into_one_recorder(r: Workflow) -> None:
    with r.start() as recorder:
        threads = [
            threading.Thread(
                target=lambda n=n: [r.log_metrics({f"m{n}": float(step)}, step=step) for step in range(100)]
            )
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert recorder.list_metrics() == {f"m{n}": 99.0 for n in range(8)}


def test_logging_without_a_block_begins_a_recorder_as_in_the_reference(r: Workflow, name: str) -> None:
    r.log_params(a=1)
    recorder = r.get_recorder()
    assert (recorder.status, r.get_exp().name) == ("RUNNING", name)
    r.end_exp()
    assert (recorder.status, recorder.list_params()) == ("FINISHED", {"a": "1"})
    r.end_exp()  # harmless


def test_resume(r: Workflow) -> None:
    with r.start(recorder_name="x") as first:
        r.log_metrics(m=1.0)
    with r.start(recorder_name="x", resume=True) as second:
        r.log_metrics(n=2.0)
    assert second.id == first.id
    assert second.list_metrics() == {"m": 1.0, "n": 2.0}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_never_writes_into_its_parents_run(r: Workflow, sqlite_uri: str, name: str, method: str) -> None:
    script = Path(__file__).with_name("child.py")
    with r.start(recorder_name="parent") as parent:
        r.log_metrics(who=1.0)
        if method == "fork":
            pid = os.fork()
            if pid == 0:
                os._exit(_child(r))
            assert os.waitpid(pid, 0)[1] == 0
        else:
            subprocess.run([sys.executable, "-P", str(script), sqlite_uri, name, "write"], check=True, timeout=120)
        assert r.get_recorder() is parent
    assert parent.list_metrics() == {"who": 1.0}
    children = [one for one in r.list_recorders(experiment_name=name).values() if one.id != parent.id]
    assert [one.list_metrics() for one in children] == [{"who": 2.0}]


def _child(r: Workflow) -> int:
    with r.start(recorder_name="child"):
        r.log_metrics(who=2.0)
    return 0


def test_sigterm_ends_it_failed(sqlite_uri: str, name: str) -> None:
    script = Path(__file__).with_name("child.py")
    process = subprocess.Popen([sys.executable, "-P", str(script), sqlite_uri, name, "sleep"])
    experiment = MLflowExperiment.open(name, sqlite_uri)
    wait_until(lambda: [one.status for one in experiment.list_recorders("list")] == ["RUNNING"])
    wait_until(lambda: the_only_one(sqlite_uri, name).list_tags().get("ready") == "1")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    found = the_only_one(sqlite_uri, name)
    assert (found.status, "SystemExit" in found.load_object("traceback.txt")) == ("FAILED", True)
    assert signal.getsignal(signal.SIGTERM) is not None


def test_setup_by_config(sqlite_uri: str, name: str) -> None:
    made = Workflow()
    config = {
        "class": "MLflowExpManager",
        "module_path": "rollq.tasks.tracking.manager",
        "kwargs": {"uri": sqlite_uri, "default_exp_name": name},
    }
    made.setup(config)
    assert (made.get_uri(), made.get_exp().name) == (sqlite_uri, name)
    with made.uri_context("http://elsewhere"):
        assert made.get_uri() == "http://elsewhere"
    assert made.get_uri() == sqlite_uri
    with pytest.raises(ComponentError, match="not registered"):
        made.setup({"class": "Popen", "module_path": "subprocess"})
    with pytest.raises(BadInput, match="no experiment manager"):
        made.setup({"class": "LGBModel"})
    assert isinstance(R, Workflow)


def test_metrics_and_their_step_in_either_order(r: Workflow, name: str) -> None:
    with r.start(experiment_name=name) as recorder:
        r.log_metrics(1, loss=3.0)
        r.log_metrics(loss=2.0, step=2)
        recorder.log_metrics({"loss": 1.0}, 3)
        recorder.log_metrics(4, {"loss": 0.5}, other=0.25)
        r.log_metrics(None, plain=1.0)
        with pytest.raises(BadInput, match="one step"):
            r.log_metrics(1, step=2, loss=0.0)
        with pytest.raises(BadInput, match="whole number"):
            r.log_metrics("loss", loss=0.0)  # type: ignore[arg-type]
    client = mlflow.MlflowClient(r.uri)
    assert [(one.step, one.value) for one in client.get_metric_history(recorder.id, "loss")] == [
        (1, 3.0),
        (2, 2.0),
        (3, 1.0),
        (4, 0.5),
    ]
    assert recorder.list_metrics() == {"loss": 0.5, "other": 0.25, "plain": 1.0}


def test_a_recorder_ends_with_each_status(r: Workflow, name: str) -> None:
    ended = {}
    for status in (Recorder.STATUS_FI, "FAILED", Recorder.STATUS_S, "RUNNING"):
        experiment = r.start_exp(experiment_name=name, recorder_name=str(status))
        ended[str(status)] = experiment.active_recorder.id
        r.log_metrics(m=1.0)
        r.end_exp(status)
        assert r.exp_manager.active_experiment is None
    found = {status: r.get_recorder(recorder_id=ident) for status, ident in ended.items()}
    assert {status: str(recorder.status) for status, recorder in found.items()} == {one: one for one in ended}
    assert {status for status, recorder in found.items() if recorder.end_time} == {"FINISHED", "FAILED"}
    assert all(recorder.list_metrics() == {"m": 1.0} for recorder in found.values())
    # One that was given back is begun again.
    with r.start(experiment_name=name, recorder_id=ended["SCHEDULED"], resume=True) as recorder:
        assert recorder.status == "RUNNING"
    assert r.get_recorder(recorder_id=recorder.id).status == "FINISHED"
    r.start_exp(experiment_name=name)
    with pytest.raises(InvalidTransition, match="DONE"):
        r.end_exp("DONE")


def test_names_uris_and_folders_of_a_recorder(r: Workflow, name: str, tmp_path: Path) -> None:
    with r.start(experiment_name=name, recorder_name="first") as recorder:
        r.set_recorder_name("second")
        recorder.set_recorder_name(f"{recorder.name} and last")
        r.save_objects(**{"pred.pkl": [1]})
        assert r.load_object("pred.pkl", None) == recorder.load_object("pred.pkl", unpickler=object) == [1]
    assert r.get_recorder(recorder_id=recorder.id).name == "second and last"  # an id is enough
    with pytest.raises(NotFound):
        r.get_recorder(recorder_id="0" * 32)
    assert recorder.uri == r.uri == r.get_uri()
    assert (Path(recorder.get_local_dir()) / "artifacts" / "pred.json").exists()
    assert recorder.get_artifact_uri() == recorder.artifact_uri
    assert r.list_recorders(experiment_name=f"{name} new") == {}
    before = r.uri
    with r.uri_context(f"file:{tmp_path}/mlruns"):
        assert r.uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
        with r.start(experiment_name=name):
            pass
    assert r.uri == before
    r.set_uri(str(tmp_path / "mlruns"))
    assert len(r.list_recorders(experiment_name=name)) == 1
    r.set_uri(None)
    assert r.uri == load_uri()


def load_uri() -> str:
    """The URI that a process finds which says nothing."""
    return Workflow().uri


def test_the_manager_of_the_reference_is_known_by_its_module(tmp_path: Path) -> None:
    made = Workflow()
    kwargs = {"uri": f"file:{tmp_path}/mlruns", "default_exp_name": "mine"}
    made.setup({"class": "MLflowExpManager", "module_path": "qlib.workflow.expm", "kwargs": kwargs})
    with made.start() as recorder, pytest.raises(StateError, match="active"):
        made.setup(MLflowExpManager("sqlite:///other.db"))
    assert made.get_exp().name == "mine"
    assert Path(recorder.get_local_dir()).is_relative_to(tmp_path / "mlruns" / "artifacts" / "mine")
    with pytest.raises(BadInput, match="memory"):
        made.set_uri("sqlite://")
