"""``get_recorder``: every cell of its table {active or not} x {what is named} x {create} x {start}."""

from __future__ import annotations

from itertools import product

import pytest

from rollq.tasks.errors import NotFound, StateError
from rollq.tasks.tracking.manager import MLflowExpManager
from rollq.tasks.tracking.mlflow.experiment import DEFAULT_RECORDER, MLflowExperiment

NAMED = ("nothing", "a known id", "a known name", "an unknown id", "an unknown name")
CELLS = list(product([True, False], NAMED, [True, False], [True, False]))


def expected(active: bool, named: str, create: bool, start: bool) -> str:
    """The table in words."""
    if named.startswith("a known"):
        return "the named one"
    if named == "nothing" and active:
        return "the active one"
    if not create or named == "an unknown id":
        return "NotFound"
    if start:
        return "StateError" if active else "a new one, active"
    return "a new one"


@pytest.mark.parametrize(("active", "named", "create", "start"), CELLS)
def test_each_cell(local: MLflowExperiment, active: bool, named: str, create: bool, start: bool) -> None:
    known = local.create_recorder("known")
    running = local.start(recorder_name="running") if active else None
    given = {
        "nothing": {},
        "a known id": {"recorder_id": known.id},
        "a known name": {"recorder_name": "known"},
        "an unknown id": {"recorder_id": "0" * 32},
        "an unknown name": {"recorder_name": "unknown"},
    }[named]
    outcome = expected(active, named, create, start)
    if outcome in ("NotFound", "StateError"):
        with pytest.raises(NotFound if outcome == "NotFound" else StateError):
            local.get_recorder(**given, create=create, start=start)
        assert local.active_recorder is running
        assert len(local.list_recorders()) == 1 + active
        return
    found = local.get_recorder(**given, create=create, start=start)
    if outcome == "the named one":
        assert found.id == known.id
    elif outcome == "the active one":
        assert found is running
    else:
        assert found.id not in {known.id, running.id if running else ""}
        assert found.name == given.get("recorder_name", DEFAULT_RECORDER)
        assert found.status == ("RUNNING" if start else "SCHEDULED")
    assert local.active_recorder is (found if outcome == "a new one, active" else running)


@pytest.mark.parametrize(("active", "create", "named"), list(product([True, False], [True, False], [None, "k", "u"])))
def test_experiments(
    sqlite_uri: str, active: bool, create: bool, named: str | None, request: pytest.FixtureRequest
) -> None:
    prefix = request.node.name
    manager = MLflowExpManager(sqlite_uri, f"{prefix} default")
    manager.create_exp(f"{prefix} k")
    running = manager.start_exp(experiment_name=f"{prefix} running") if active else None
    name = named and f"{prefix} {named}"
    if not create and (named == "u" or (named is None and not active)):
        with pytest.raises(NotFound):
            manager.get_exp(experiment_name=name, create=False)
        return
    found = manager.get_exp(experiment_name=name, create=create)
    if name is None and active:
        assert found is running
    else:
        assert found.name == (name or f"{prefix} default")
    with pytest.raises(NotFound):
        manager.get_exp(experiment_id="987654321", create=create)


def test_start_and_resume(local: MLflowExperiment) -> None:
    first = local.start(recorder_name="r")
    with pytest.raises(StateError, match="not nested"):
        local.start()
    local.end()
    assert (first.status, local.active_recorder) == ("FINISHED", None)
    again = local.start(recorder_name="r", resume=True)
    assert (again.id, again.status) == (first.id, "RUNNING")
    local.end("FAILED")
    other = local.start(recorder_name="r")
    assert other.id != first.id
    local.end()
    assert local.get_recorder(recorder_name="r").id == other.id, "of several with one name, the newest"
    local.delete_recorder(recorder_id=other.id)
    assert local.get_recorder(recorder_name="r").id == first.id
    with pytest.raises(NotFound):
        local.delete_recorder(recorder_name="nobody")
