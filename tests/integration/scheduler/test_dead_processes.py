"""Runs of processes that were killed: closed where the process is known to be gone, and nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from rollq import Backend, MLflowExperiment
from rollq.health.repair import look_at_work
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.process import Life, Process
from tests.made_sets import made_set
from tests.pool_tasks import definition

DIES = """
import os, signal, sys
from rollq import R, Backend, run_task
def train(definition=None):
    with R.start(experiment_name=sys.argv[2]) as recorder:
        print(recorder.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
train() if sys.argv[1] == "block" else run_task(train, sys.argv[2] + " pool")
"""


@pytest.fixture
def name(backend: Backend) -> str:
    return f"killed {backend.settings.mongo_database} {os.getpid()}"


def killed(backend: Backend, how: str, name: str) -> MLflowRecorder:
    """The run of a process that was killed inside it."""
    settings = backend.settings
    environment = {
        "ROLLQ_MONGO_URI": str(settings.mongo_uri),
        "ROLLQ_MONGO_DATABASE": settings.mongo_database,
        "ROLLQ_REDIS_URL": str(settings.redis_url),
        "MLFLOW_TRACKING_URI": str(settings.mlflow_uri),
    }
    done = subprocess.run(
        [sys.executable, "-c", DIES, how, name],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    runs = MLflowExperiment.find(name, settings.mlflow_uri)
    assert runs
    return runs.get_recorder(done.stdout.strip())


def look(backend: Backend, repair: bool = False) -> Any:
    return next(check for check in look_at_work(backend, repair) if check.name == "runs")


@pytest.mark.parametrize("how", ["block", "loop"])
def test_the_run_of_a_killed_process_is_closed(backend: Backend, name: str, how: str) -> None:
    if how == "loop":
        backend.tasks.create_tasks(f"{name} pool", [definition(1)])
    dead = killed(backend, how, name)
    assert dead.status == "RUNNING"
    assert ("rollq.task" in dead.tags) == (how == "loop")
    runs = MLflowExperiment.open(name, backend.settings.mlflow_uri)
    living = runs.create_recorder("of this process", start=True)
    shown = look(backend)
    assert not shown.ok
    assert dead.id in shown.detail
    assert f"process {dead.tags['rollq.pid']} on" in shown.detail
    assert runs.get_recorder(dead.id).status == "RUNNING", "looking changes nothing"
    assert look(backend, repair=True).ok
    assert runs.get_recorder(dead.id).status == "FAILED"
    assert "is gone" in runs.get_recorder(dead.id).tags["rollq.superseded"]
    assert runs.get_recorder(living.id).status == "RUNNING"
    assert look(backend).ok
    living.end_run()


def test_a_number_that_was_given_to_another_process_since(backend: Backend, name: str) -> None:
    runs = MLflowExperiment.open(name, backend.settings.mlflow_uri)
    earlier = replace(Process.this(), ticks="1")  # this process has its number now
    dead = runs.create_recorder("dead", earlier.tags(), start=True)
    look(backend, repair=True)
    assert runs.get_recorder(dead.id).status == "FAILED"


def test_a_run_that_ends_well_during_a_check_stays_finished(
    backend: Backend, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, life = MLflowExperiment.open(name, backend.settings.mlflow_uri), Process.life
    run = runs.create_recorder("ends", replace(Process.this(), ticks="1").tags(), start=True)

    def ends_now(process: Process) -> Life:
        if process.ticks == "1" and run.status == "RUNNING":
            run.end_run()
        return life(process)

    monkeypatch.setattr(Process, "life", ends_now)
    look(backend, repair=True)
    assert run.status == "FINISHED", "it was listed as RUNNING"
    assert runs.get_recorder(run.id).status == "FINISHED"


def test_of_other_hosts_it_is_said_that_nothing_can_be_said(backend: Backend, name: str) -> None:
    runs = MLflowExperiment.open(name, backend.settings.mlflow_uri)
    far = replace(Process.this(), host="far-away", boot="other", machine="other")
    there = runs.create_recorder("there", far.tags(), start=True)
    found = look(backend, repair=True)
    assert "1 on far-away" in found.detail
    assert runs.get_recorder(there.id).status == "RUNNING"
    there.end_run()


def test_who_takes_a_run_up_again_is_noted(backend: Backend, name: str) -> None:
    runs = MLflowExperiment.open(name, backend.settings.mlflow_uri)
    first = runs.create_recorder("mine", replace(Process.this(), pid=2**22 + 1).tags(), start=True)
    first.end_run()
    runs.get_recorder(first.id).start_run()
    look(backend, repair=True)
    again = runs.get_recorder(first.id)
    assert (again.status, again.tags["rollq.pid"]) == ("RUNNING", str(os.getpid()))
    again.end_run()


def test_a_run_that_is_needed_is_finished_again(backend: Backend, name: str) -> None:
    """A program resumed a run whose model serves, past rollq, and was killed: the run stays open."""
    runs = MLflowExperiment.open(name, backend.settings.mlflow_uri)
    needed = runs.create_recorder("needed", replace(Process.this(), ticks="1").tags(), start=True)
    needed.save_objects(model="x")
    models = [OnlineModel("0" * 24, needed.id, ("2021-01-04", None))]
    OnlineSets(backend.store).publish(made_set("r" * 12, models, name, name))
    checks = {check.name: check for check in look_at_work(backend, repair=True)}
    assert runs.get_recorder(needed.id).status == "RUNNING", "its model cannot be loaded: a person must look at it"
    assert needed.id in json.dumps(checks["serving"].to_dict())
