"""RecorderCollector on runs in memory, and once on a real MLflow store."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq import (
    ArtifactCorrupted,
    ArtifactMissing,
    BadInput,
    EnsembleError,
    Experiment,
    MLflowExperiment,
    NotFound,
    R,
    RecorderCollector,
    RollingEnsemble,
    RollingGroup,
    model_identity,
)
from rollq.tasks.definition import with_tuples
from rollq.tasks.tracking.manager import MLflowExpManager
from rollq.tasks.tracking.mlflow.store import local_tracking_uri, prepare_tracking
from rollq.tasks.tracking.runs.recorder import Recorder
from rollq.tasks.tracking.runs.run_tags import KIND

DAYS = pd.bdate_range("2020-01-01", periods=30)
_numbers = iter(range(10**6))


def task(window: int, leaves: int = 31) -> dict[str, Any]:
    segments = {"test": [f"{DAYS[5 * window]:%Y-%m-%d}", f"{DAYS[5 * window + 4]:%Y-%m-%d}"]}
    return {
        "model": {"class": "LGBModel", "kwargs": {"num_leaves": leaves}},
        "dataset": {"class": "PanelDataset", "kwargs": {"path": "prices.parquet", "segments": segments}},
    }


def prediction(window: int, start: float = 0.0) -> pd.DataFrame:
    days = DAYS[5 * window : 5 * window + 5]
    index = pd.MultiIndex.from_product([days, ["A", "B", "C"]], names=["datetime", "instrument"])
    return pd.DataFrame({"score": start + np.arange(len(index), dtype=float)}, index)


class Run:
    """A recorder in memory that counts what is read."""

    def __init__(self, window: int, leaves: int = 31, status: str = "FINISHED", **artifacts: Any) -> None:
        self.id = f"run{next(_numbers)}"
        self.status = status
        self.start_time = f"2021-01-01 00:{window:02}:00"
        self.artifacts = {"task": task(window, leaves), "pred.pkl": prediction(window, leaves), **artifacts}
        self.read: Counter[str] = Counter()

    def load_object(self, name: str) -> Any:
        self.read[name] += 1
        found = self.artifacts.get(name)
        if found is None:
            raise ArtifactMissing(f"There is no artifact {name!r}.")
        if isinstance(found, Exception):
            raise found
        return found


class InMemory(Experiment):
    """An experiment in memory; ``runs`` are newest first, as a store lists them."""

    def __init__(self, *runs: Run) -> None:
        super().__init__("1", "daily")
        self.runs = list(runs)
        self.asked: list[dict[str, Any]] = []

    def list_recorders(self, rtype: Any = "dict", **kwargs: Any) -> Any:
        self.asked.append(kwargs)
        status = kwargs.get("status")
        found = [run for run in self.runs if status is None or run.status == status]
        return found if rtype == "list" else {run.id: run for run in found}

    def iter_recorders(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    create_recorder = search_records = delete_recorder = _find = iter_recorders


def key_of(window: int, leaves: int = 31) -> tuple[str, tuple[str, str]]:
    start, end = task(window)["dataset"]["kwargs"]["segments"]["test"]
    return model_identity(task(window, leaves)), (start, end)


def test_artifacts_by_key_and_recorder() -> None:
    runs = [Run(1), Run(0)]
    found = RecorderCollector(InMemory(*runs)).collect()
    assert list(found) == ["pred"]
    assert list(found["pred"]) == [key_of(0), key_of(1)]
    assert found["pred"][key_of(1)] is runs[0].artifacts["pred.pkl"]
    assert all(run.read == {"task": 1, "pred.pkl": 1} for run in runs)


def test_two_variants_of_one_class_stay_apart() -> None:
    collector = RecorderCollector(InMemory(*(Run(window, leaves) for window in (1, 0) for leaves in (31, 63))))
    joined = collector()
    assert len(collector.collect()["pred"]) == 4
    expected = {
        (model_identity(task(0, leaves)),): pd.concat([prediction(0, leaves), prediction(1, leaves)])
        for leaves in (31, 63)
    }
    collector.process_list = [RollingGroup()]
    joined = collector()["pred"]
    assert set(joined) == set(expected)
    for group, frame in expected.items():
        pd.testing.assert_frame_equal(joined[group], frame)


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [2, 1, 0]])
def test_joining_while_reading_is_joining_afterwards(order: list[int], overlap: bool) -> None:
    more = {"pred.pkl": pd.concat([prediction(1, 50.0), prediction(2, 60.0)])} if overlap else {}
    runs = {window: Run(window, **(more if window == 1 else {}), label=prediction(window)) for window in range(3)}
    paths = {"pred": "pred.pkl", "label": "label"}
    experiment = InMemory(*(runs[window] for window in order))
    at_once = RecorderCollector(experiment, RollingGroup(), artifacts_path=paths)()
    read = runs[1].read["pred.pkl"]
    afterwards = RecorderCollector(experiment, [lambda values: RollingGroup()(dict(values))], artifacts_path=paths)()
    assert list(at_once) == list(afterwards) == ["pred", "label"]
    assert read == (2 if overlap else 1)  # windows that overlap cannot be joined one by one
    for name in paths:
        assert list(at_once[name]) == list(afterwards[name])
        for group, frame in afterwards[name].items():
            pd.testing.assert_frame_equal(at_once[name][group], frame)


def test_the_order_does_not_depend_on_who_was_faster() -> None:
    runs = [Run(window, leaves) for window in (0, 1) for leaves in (31, 63)]
    runs[3].artifacts["task"]["dataset"]["kwargs"]["segments"]["test"][1] = None  # open
    found = []
    for order in ([0, 1, 2, 3], [3, 1, 2, 0], [2, 3, 0, 1]):
        experiment = InMemory(*(runs[number] for number in order))
        found.append(list(RecorderCollector(experiment).collect()["pred"]))
        assert list(RecorderCollector(experiment, RollingGroup())()["pred"]) == sorted({key[:1] for key in found[0]})
    assert found[0] == found[1] == found[2] == sorted(found[0], key=lambda key: (key[0], key[1][0]))
    first_started = RecorderCollector(InMemory(*runs), rec_key_func=lambda run: run.id).collect()["pred"]
    assert list(first_started) == [run.id for run in reversed(runs)]


def test_a_subclass_that_collects_in_its_own_way_is_used() -> None:
    class Own(RecorderCollector):
        def collect(self, *_: Any, **__: Any) -> dict[Any, Any]:
            return {"pred": {("M", 1): prediction(1)}}

    assert list(Own(InMemory(Run(0)), RollingGroup())()["pred"]) == [("M",)]


def test_only_one_window_is_held_while_it_joins() -> None:
    alive: list[int] = []

    class Watched:
        def __init__(self, run: Run) -> None:
            self.id, self.status, self.start_time = run.id, run.status, run.start_time
            self.task, self.pred = run.artifacts["task"], run.artifacts["pred.pkl"]
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

        def load_object(self, name: str) -> Any:
            if name == "pred.pkl":
                counts.append(len(alive))
            return self.task if name == "task" else self.pred

    counts: list[int] = []
    joined = RecorderCollector(lambda: [Watched(Run(window)) for window in range(6)], RollingGroup())()
    assert len(joined["pred"].popitem()[1]) == 6 * 15
    assert counts == [6, 5, 4, 3, 2, 1]  # each is forgotten once it was read


def test_further_processes_get_what_was_joined() -> None:
    experiment = InMemory(Run(1), Run(0))
    count = lambda groups: {name: len(frame) for name, frame in groups.items()}  # noqa: E731
    assert RecorderCollector(experiment, [RollingGroup(), count])() == {"pred": {(key_of(0)[0],): 30}}
    by_hand = RollingGroup(lambda windows: len(RollingEnsemble()(windows)))
    assert RecorderCollector(experiment, by_hand)() == {"pred": {(key_of(0)[0],): 30}}


def test_only_the_status_that_is_asked_for() -> None:
    experiment = InMemory(Run(2, status="RUNNING"), Run(1, status="FAILED"), Run(0))
    assert list(RecorderCollector(experiment).collect()["pred"]) == [key_of(0)]
    assert experiment.asked == [{"status": "FINISHED"}]  # compared in the store
    assert experiment.runs[1].read == {}
    assert len(RecorderCollector(experiment, status=None).collect()["pred"]) == 3
    assert len(RecorderCollector(experiment, status={"FAILED", "FINISHED"}).collect()["pred"]) == 2
    assert list(RecorderCollector(experiment, status="FAILED").collect()["pred"]) == [key_of(1)]
    RecorderCollector(experiment, list_kwargs={"max_results": 1}).collect()
    assert experiment.asked[-1] == {"max_results": 1}


def test_filters_and_keys_of_ones_own() -> None:
    experiment = InMemory(Run(1), Run(0))
    last = experiment.runs[0]
    collector = RecorderCollector(experiment, rec_key_func=lambda run: run.id, rec_filter_func=lambda run: run is last)
    assert list(collector.collect()["pred"]) == [last.id]
    assert len(collector.collect(rec_filter_func=lambda run: True)["pred"]) == 2
    assert last.read["task"] == 0


def test_artifact_keys() -> None:
    run = Run(0, ic={"a": 1})
    paths = {"pred": "pred.pkl", "ic": "ic"}
    collector = RecorderCollector(InMemory(run), artifacts_path=paths, artifacts_key="ic")
    assert collector.collect() == {"ic": {key_of(0): {"a": 1}}}
    assert run.read["pred.pkl"] == 0
    assert list(collector.collect(["pred", "ic"])) == ["pred", "ic"]
    assert collector.collect("__raw") == {"__raw": {key_of(0): run}}
    with pytest.raises(BadInput, match="nothing"):
        collector.collect("nothing")


@pytest.mark.parametrize("process", [(), RollingGroup()])
def test_every_hole_is_named(process: Any) -> None:
    runs = [Run(3, task=None), Run(2, **{"pred.pkl": None}), Run(1), Run(0, **{"pred.pkl": None})]
    collector = RecorderCollector(InMemory(*runs), process)
    with pytest.raises(ArtifactMissing) as raised:
        collector()
    for run, artifact in ((runs[0], "task"), (runs[1], "pred.pkl"), (runs[3], "pred.pkl")):
        assert f"{artifact!r} of the run {run.id}" in raised.value.message
    assert raised.value.fix
    assert set(collector.missing) == {(runs[0].id, "task"), (runs[1].id, "pred.pkl"), (runs[3].id, "pred.pkl")}


@pytest.mark.parametrize("process", [(), RollingGroup()])
def test_holes_that_are_allowed_are_listed(process: Any) -> None:
    runs = [Run(1, **{"pred.pkl": None}), Run(0)]
    collector = RecorderCollector(InMemory(*runs), process, allow_missing=True)
    assert len(collector()["pred"]) == 1
    assert collector.missing == [(runs[0].id, "pred.pkl")]
    with pytest.raises(ArtifactMissing):
        collector.collect(only_exist=False)
    runs[0].artifacts["pred.pkl"] = prediction(1)
    collector()
    assert collector.missing == []


def test_damage_is_never_a_hole() -> None:
    collector = RecorderCollector(InMemory(Run(0, **{"pred.pkl": ArtifactCorrupted("changed")})), allow_missing=True)
    with pytest.raises(ArtifactCorrupted):
        collector.collect()


def test_two_runs_of_one_window_are_named() -> None:
    newer, older = Run(0), Run(0)
    with pytest.raises(EnsembleError) as raised:
        RecorderCollector(InMemory(newer, older)).collect()
    assert newer.id in raised.value.message
    assert older.id in raised.value.message
    assert newer.read["pred.pkl"] == 0  # known before anything large is read


def test_the_latest_of_two_runs() -> None:
    newer, older, other = Run(0, **{"pred.pkl": prediction(0, 5.0)}), Run(0), Run(1)
    for experiment in (InMemory(other, newer, older), InMemory(newer, other, older)):
        found = RecorderCollector(experiment, on_duplicate="latest").collect()["pred"]
        assert found[key_of(0)] is newer.artifacts["pred.pkl"]
        assert len(found) == 2
    assert older.read["pred.pkl"] == 0


def test_runs_from_a_function_are_as_old_as_they_say() -> None:
    newer, older = Run(0), Run(0)
    with pytest.raises(EnsembleError):  # neither is older
        RecorderCollector(lambda: [newer, older], on_duplicate="latest").collect()
    newer.start_time = "2021-01-02 00:00:00"
    for given in ([newer, older], [older, newer], {"a": older, "b": newer}):
        collector = RecorderCollector(lambda given=given: given, on_duplicate="latest")
        assert collector.collect("__raw")["__raw"] == {key_of(0): newer}
    with pytest.raises(BadInput):
        collector.get_exp_name()


def test_a_loader_may_add_to_what_was_recorded() -> None:
    asked = []

    def longer(run: Run, name: str) -> pd.DataFrame:
        asked.append((run.id, name))
        return pd.concat([run.load_object(name), prediction(1)])

    run = Run(0)
    joined = RecorderCollector(InMemory(run), RollingGroup(), loader=longer)()
    assert len(joined["pred"].popitem()[1]) == 30
    assert asked == [(run.id, "pred.pkl")]


def test_nothing_in_nothing_out() -> None:
    assert RecorderCollector(InMemory()).collect() == {}
    assert RecorderCollector(InMemory(), RollingGroup())() == {}


@pytest.mark.parametrize("process", [RollingGroup(), [RollingGroup()]])
def test_keys_that_name_no_window(process: Any) -> None:
    with pytest.raises(EnsembleError, match="tuple"):
        RecorderCollector(InMemory(Run(0)), process, rec_key_func=lambda run: run.id)()
    with pytest.raises(EnsembleError, match="datetime"):
        RecorderCollector(InMemory(Run(0, **{"pred.pkl": pd.DataFrame({"score": [1.0]})})), process)()


@pytest.mark.parametrize("wrong", [3, None, ["a"]])
def test_what_holds_no_recorders(wrong: Any) -> None:
    with pytest.raises(BadInput) as raised:
        RecorderCollector(wrong)
    assert raised.value.fix
    with pytest.raises(BadInput, match="first"):
        RecorderCollector(InMemory(), on_duplicate="first")  # type: ignore[arg-type]


def test_on_a_real_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = local_tracking_uri(tmp_path)
    prepare_tracking(uri)
    experiment = MLflowExperiment.open("daily", uri)
    for window, status in ((0, "FINISHED"), (1, "FAILED"), (1, "FINISHED")):
        recorder = experiment.create_recorder(start=True)
        recorder.save_objects(task=task(window), pred=prediction(window))
        recorder.end_run(status)
    monkeypatch.setattr(R, "_manager", MLflowExpManager(uri))
    collector = RecorderCollector("daily", RollingGroup())
    assert collector.get_exp_name() == "daily"
    expected = pd.concat([prediction(0), prediction(1)])
    pd.testing.assert_frame_equal(collector()["pred"][key_of(0)[:1]], expected, check_freq=False)
    assert list(RecorderCollector(experiment).collect()["pred"]) == [key_of(0), key_of(1)]
    with pytest.raises(NotFound):
        RecorderCollector("nightly")


def test_the_usual_key_of_the_reference(tmp_path: Path) -> None:
    uri = local_tracking_uri(tmp_path)
    prepare_tracking(uri)
    experiment = MLflowExperiment.open("daily", uri)
    for window in (0, 1):
        made = experiment.create_recorder(start=True)
        # As workers save it, and as a script saves it that has read it from JSON.
        made.save_objects(task=with_tuples(task(window)) if window else task(window), pred=prediction(window))
        made.end_run()
    signals = experiment.create_recorder(tags={KIND: "signals"}, start=True)  # of a round: no task, no predictions
    signals.end_run()

    def key(recorder: Recorder) -> Any:
        config = recorder.load_object("task")
        return config["model"]["class"], config["dataset"]["kwargs"]["segments"]["test"]

    tests = [tuple(task(window)["dataset"]["kwargs"]["segments"]["test"]) for window in (0, 1)]
    collector = RecorderCollector(experiment, [RollingGroup()], key, lambda _: True, {"pred": "pred.pkl"}, "pred", {})
    assert list(collector.collect()["pred"]) == [("LGBModel", test) for test in tests]
    assert {type(key(one)[1]) for one in experiment.list_recorders("list", max_results=2) if one != signals} == {tuple}
    joined = collector()["pred"]
    assert {group: len(frame) for group, frame in joined.items()} == {("LGBModel",): 30}
    assert list(RecorderCollector(experiment, rec_key_func=lambda one: one.id).collect("pred", None, False)) == ["pred"]
    with pytest.raises(BadInput, match="no key"):
        RecorderCollector(experiment, rec_key_func=lambda one: {"id": one.id}).collect()
