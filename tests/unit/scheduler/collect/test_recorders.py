"""The recorders of an experiment, by its name too."""

from __future__ import annotations

import pytest

from rollq import BadInput, Experiment, R, list_recorders
from tests.unit.scheduler.collect.test_recorder_collector import InMemory, Run


def test_those_that_pass_the_filter_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [Run(1, status="FAILED"), Run(0)]
    experiment = InMemory(*runs)
    monkeypatch.setattr(R, "get_exp", lambda *, experiment_name, create: {"daily": experiment}[experiment_name])
    assert list_recorders(experiment) == {run.id: run for run in runs}
    assert list_recorders("daily", rec_filter_func=lambda run: run.status == "FINISHED") == {runs[1].id: runs[1]}


@pytest.mark.parametrize("experiment", [None, 3, lambda: []])
def test_what_is_no_experiment_is_refused(experiment: Experiment) -> None:
    with pytest.raises(BadInput) as raised:
        list_recorders(experiment)
    assert raised.value.fix
