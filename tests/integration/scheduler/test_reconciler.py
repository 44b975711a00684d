"""The reconciler and ``rollq doctor --repair`` on a real store and a real MLflow."""

from __future__ import annotations

from typing import Any

import pytest

from rollq import Backend, MLflowExperiment, MLflowRecorder, RoundFailed, StateError, TaskState
from rollq.health.repair import look_at_work
from rollq.scheduler.reconciler import close, orphaned_runs, resolve_orphans
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.resources import Resources
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.rounds.purpose import Serve
from tests.pool_tasks import claim, create, expire

_POOLS = iter(f"reconciled{number}" for number in range(1_000))


@pytest.fixture
def runs(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> MLflowExperiment:
    """The experiment of a pool of its own: the tracking store is shared by all tests."""
    pool = next(_POOLS)
    monkeypatch.setattr("tests.pool_tasks.POOL", pool)
    return MLflowExperiment.open(pool, backend.settings.mlflow_uri)


def begin(runs: MLflowExperiment, claimed: Claim) -> MLflowRecorder:
    return runs.create_recorder(
        "run",
        {"rollq.task": claimed.task_id, "rollq.attempt": str(claimed.attempt), "rollq.worker": claimed.worker},
        start=True,
    )


def seen(runs: MLflowExperiment, recorder: MLflowRecorder) -> tuple[str, str]:
    found = runs.get_recorder(recorder.id)
    return str(found.status), found.tags.get("rollq.superseded", "")


def test_the_run_of_a_lost_attempt_is_closed_with_the_reason(backend: Backend, runs: MLflowExperiment) -> None:
    create(backend.tasks)
    lost = claim(backend.tasks, "host/1/2")
    left = begin(runs, lost)
    finished = begin(runs, lost)
    finished.end_run()  # the worker died between the end of its run and its commit
    expire(backend, lost)
    backend.tasks.reclaim("sweeper")
    fresh = claim(backend.tasks, "host/1/3")
    live = begin(runs, fresh)
    closed = resolve_orphans(backend)
    assert {orphaned.recorder.id for orphaned in closed} == {left.id, finished.id}
    for recorder in (left, finished):
        status, why = seen(runs, recorder)
        assert status == "FAILED"
        assert "host/1/2 was lost" in why
    assert seen(runs, live) == ("RUNNING", "")
    assert backend.tasks.orphans.all() == []
    live.end_run()
    backend.tasks.commit(fresh, {"recorder_id": live.id})
    backend.tasks.orphans.note(fresh.task_id, fresh.pool, "noted once more")
    assert resolve_orphans(backend) == []
    assert seen(runs, live) == ("FINISHED", "")


@pytest.mark.parametrize("fate", ["cancelled", "removed"])
def test_the_run_of_a_task_that_is_gone_is_closed(backend: Backend, runs: MLflowExperiment, fate: str) -> None:
    (ident,) = create(backend.tasks)
    recorder = begin(runs, claim(backend.tasks))
    backend.tasks.cancel([ident], "me")
    if fate == "removed":
        backend.tasks.remove([ident])
    resolve_orphans(backend)
    assert seen(runs, recorder) == ("FAILED", "cancelled" if fate == "cancelled" else "its task was removed")


def test_a_search_finds_runs_that_nobody_noted(backend: Backend, runs: MLflowExperiment) -> None:
    create(backend.tasks, 2)
    lost, live = claim(backend.tasks), claim(backend.tasks)
    left, alive = begin(runs, lost), begin(runs, live)
    foreign = runs.create_recorder("foreign", start=True)
    signals = runs.create_recorder("signals", {"rollq.round": "0123456789ab"}, start=True)
    backend.tasks.release(lost, "given back")
    found = {orphaned.recorder.id: orphaned.why for orphaned in orphaned_runs(backend) if orphaned.pool == runs.name}
    assert found == {left.id: "given back", signals.id: "its round is gone"}
    for orphaned in list(orphaned_runs(backend)):
        close(backend, orphaned)
    assert list(orphaned_runs(backend)) == []
    assert {seen(runs, recorder)[0] for recorder in (alive, foreign)} == {"RUNNING"}


def test_only_one_is_told_that_an_orphaned_run_is_due(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.tasks.orphans.note("a", "pool", "why")
    assert not backend.tasks.orphans.take_due(), "the holder has a moment to close its run itself"
    monkeypatch.setattr("rollq.tasks.tracking.runs.orphans.REST_SECONDS", -1.0)
    assert backend.tasks.orphans.take_due()
    monkeypatch.undo()
    assert not backend.tasks.orphans.take_due()
    (end,) = backend.tasks.orphans.all()
    backend.tasks.orphans.note("a", "pool", "again")
    backend.tasks.orphans.resolve(end)
    assert [end.why for end in backend.tasks.orphans.all()] == ["again"], "what was noted meanwhile stays"


def test_a_run_that_cannot_be_closed_hinders_no_other(
    backend: Backend, runs: MLflowExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [claim(backend.tasks, wanted=ident) for ident in create(backend.tasks, 2)]
    left = [begin(runs, one) for one in lost]
    for one in lost:
        expire(backend, one)
    backend.tasks.reclaim("sweeper")
    supersede = MLflowRecorder.supersede

    def refuse(recorder: MLflowRecorder, why: str) -> None:
        if recorder.id == left[0].id:
            raise StateError("not this one")
        supersede(recorder, why)

    with monkeypatch.context() as patch:
        patch.setattr(MLflowRecorder, "supersede", refuse)
        assert [orphaned.recorder.id for orphaned in resolve_orphans(backend)] == [left[1].id]
    assert [end.task_id for end in backend.tasks.orphans.all()] == [lost[0].task_id], "it stays noted"
    assert [orphaned.recorder.id for orphaned in resolve_orphans(backend)] == [left[0].id]


def findings(backend: Backend, repair: bool = False) -> dict[str, Any]:
    return {check.name: check for check in look_at_work(backend, repair)}


def test_the_doctor_shows_and_repairs(backend: Backend, runs: MLflowExperiment) -> None:
    first, second = create(backend.tasks, 2)
    calm = findings(backend)
    assert [check.name for check in calm.values() if not check.ok] == ["workers"], "only a worker is missing"
    assert "2 tasks wait" in calm["workers"].detail
    lost = claim(backend.tasks, wanted=first)
    left = begin(runs, lost)
    expire(backend, lost)
    other = backend.tasks.claim(runs.name, "w", wanted=second)
    assert other
    round_id = backend.rounds.create(runs.name, [second], Serve("s"))
    backend.tasks.join_round([second], round_id)
    backend.tasks.cancel([second], "me")
    shown = findings(backend)
    assert not any(shown[name].ok for name in ("leases", "rounds", "runs"))
    assert backend.tasks.get(first).status is TaskState.RUNNING, "looking changes nothing"
    backend.worker_registry.heartbeat("host/1", ["default"], 1, Resources(cpu=1))
    repaired = findings(backend, repair=True)
    assert [check.name for check in repaired.values() if not check.ok] == ["failures"], "the round of a cancelled task"
    assert "repaired" in repaired["leases"].detail
    assert all("repaired" not in check.detail for check in findings(backend).values())
    assert backend.tasks.get(first).status is TaskState.WAITING
    assert backend.notifier.depth("default") > 0
    assert backend.rounds.get(round_id).status is RoundState.FAILED
    assert RoundFailed.exit_code == 5
    assert seen(runs, left)[0] == "FAILED"


def test_a_round_that_waits_for_another_is_no_finding(backend: Backend) -> None:
    """Its tasks may be finished already: they are reused."""
    create(backend.tasks)
    done = claim(backend.tasks)
    backend.tasks.commit(done, {"recorder_id": "r"})
    first = backend.rounds.create("pool", ["0" * 24], Serve("s"), held=True)
    backend.rounds.create("pool", [done.task_id], Serve("s"), after=[first])
    found = {check.name: check for check in look_at_work(backend, repair=False)}
    assert found["rounds"].ok, found["rounds"]
