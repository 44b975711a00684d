"""Warm start: trees upon the trees of the very task that the definition names, or a reason why not."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from rollq.tasks.config.settings import Settings, load_settings
from rollq.tasks.definition import Definition
from rollq.tasks.errors import ComponentError, NotFound, PermanentError, StateError, TemplateError
from rollq.tasks.identity import task_id, task_key
from rollq.tasks.leases.leased_documents import LeaseRecord
from rollq.tasks.queue.prefetch import Claim
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.resources import Resources
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.mlflow.store import local_tracking_uri, prepare_tracking
from rollq.workers.datasets.panel import PanelDataset
from rollq.workers.jobs.training import train
from rollq.workers.jobs.warm_start import NotYet, find_earlier, keywords
from rollq.workers.models.lightgbm import LGBModel
from rollq.workers.models.ridge import RidgeModel
from tests.synthetic import panel
from tests.tables import bars, table
from tests.unit.workers.models.test_lightgbm import PARAMS

POOL = "warm"
IDENT = "0123456789abcdef01234567"
NAMED: Definition = {"init_model": {"pool": POOL, "task": IDENT}}
LATER = {"train": ["2020-05-04", "2020-12-31"], "valid": ["2021-01-04", "2021-02-26"], "test": ["2021-03-01", None]}
FEW = {**PARAMS, "num_boost_round": 6}


@pytest.fixture
def first(tmp_path: Path) -> PanelDataset:
    return panel(tmp_path)


@pytest.fixture
def second(first: PanelDataset) -> PanelDataset:
    return first.config(LATER)


def fitted(dataset: Any, init_model: LGBModel | None = None, **params: Any) -> LGBModel:
    model = LGBModel(**{**PARAMS, **params})
    model.fit(dataset, init_model=init_model)
    return model


def saved(model: LGBModel, folder: Path) -> str:
    folder.mkdir()
    model.save(folder)
    return (folder / "model.txt").read_text()


def trees(text: str) -> list[str]:
    """Each tree of a model's text, without the parameters at its end."""
    return text.partition("end of trees")[0].split("Tree=")[1:]


# -- models -----------------------------------------------------------------------------------------------------------


def test_it_is_the_training_that_lightgbm_does_by_hand(
    first: PanelDataset, second: PanelDataset, tmp_path: Path
) -> None:
    one = fitted(first)
    text = saved(one, tmp_path / "one")
    two = fitted(second, one, **FEW)
    found = saved(two, tmp_path / "two")
    data = [
        (second.prepare(name).to_numpy(), second.prepare(name, "label")["label"].to_numpy())
        for name in ("train", "valid")
    ]
    assert not np.isnan(data[0][1]).any()
    by_hand = lgb.train(
        two._params,
        lgb.Dataset(*data[0], params=two._params),
        FEW["num_boost_round"],
        init_model=lgb.Booster(model_str=text),
    )
    assert trees(found) == trees(by_hand.model_to_string())
    assert len(trees(found)) == PARAMS["num_boost_round"] + FEW["num_boost_round"]
    assert [tree.partition("\n")[2] for tree in trees(found)][: len(trees(text))] == [
        tree.partition("\n")[2] for tree in trees(text)
    ]
    assert saved(one, tmp_path / "again") == text  # the earlier model stays as it is
    error = two.predict(second, "valid").to_numpy() - data[1][1]
    assert len(two.evals["valid_l2"]) == FEW["num_boost_round"]
    assert two.evals["valid_l2"][-1] == pytest.approx(float((error**2).mean()), rel=1e-5)  # valid starts there too


@pytest.mark.parametrize("patience", [None, 2])
def test_the_same_bytes_from_the_model_at_hand_and_from_a_loaded_one(
    first: PanelDataset, second: PanelDataset, tmp_path: Path, patience: int | None
) -> None:
    params = {"num_boost_round": 40, "early_stopping_rounds": patience}
    one = fitted(first, **params)
    text = saved(one, tmp_path / "one")
    found = [
        saved(fitted(second, start, **params), tmp_path / name)
        for name, start in (("two", one), ("three", one), ("four", LGBModel.load(tmp_path / "one")))
    ]
    assert found[0] == found[1] == found[2]
    assert len(trees(found[0])) > len(trees(text))
    if patience:
        assert len(trees(text)) < 40  # it did stop early: what was dropped is no start
        assert len(trees(found[0])) < len(trees(text)) + 40
    loaded, two = LGBModel.load(tmp_path / "two"), fitted(second, one, **params)
    assert loaded.predict(second).to_numpy().tobytes() == two.predict(second).to_numpy().tobytes()
    assert found[0] != saved(fitted(second, **params), tmp_path / "cold")


def test_other_features_than_the_earlier_ones_are_refused(first: PanelDataset, tmp_path: Path) -> None:
    other = panel(tmp_path, features=[{"op": "momentum", "windows": [1, 5, 20, 21, 22, 23]}])
    with pytest.raises(PermanentError, match="fitted on other features: missing ma_distance_20"):
        LGBModel(**PARAMS).fit(other, init_model=fitted(first))


def test_what_cannot_start_from_another_model_says_so(first: PanelDataset) -> None:
    ridge = RidgeModel()
    with pytest.raises(ComponentError, match=r"cannot start from another model\. Leave out warm_start"):
        ridge.fit(first, init_model=fitted(first))
    ridge.fit(first)
    with pytest.raises(ComponentError, match="LGBModel cannot start from a RidgeModel"):
        LGBModel(**PARAMS).fit(first, init_model=ridge)
    with pytest.raises(StateError, match="not fitted"):
        LGBModel(**PARAMS).fit(first, init_model=LGBModel())


# -- the earlier task -------------------------------------------------------------------------------------------------


def task_in(status: TaskState, result: dict[str, Any] | None = None, ident: str = IDENT) -> Task:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    values: dict[str, Any] = {field.name: None for field in dataclasses.fields(Task)}
    values.update(
        id=ident, pool=POOL, key="k", status=status, requested=Resources(), result=result, created_at=at, rounds=()
    )
    values["lease"] = LeaseRecord("w", at) if status is TaskState.RUNNING else None
    return Task(**values)


class OneTask:
    """A task store with one task in it, or none."""

    def __init__(self, task: Task | None = None) -> None:
        self.task = task

    def get(self, ident: str) -> Task:
        if self.task is None or self.task.id != ident:
            raise NotFound(f"There is no task {ident!r}.")
        return self.task


@pytest.mark.parametrize("status", list(TaskState))
def test_only_a_finished_task_has_a_model(status: TaskState) -> None:
    tasks: Any = OneTask(task_in(status))
    if status is TaskState.DONE:
        assert find_earlier(NAMED, tasks) is tasks.task
    elif status in (TaskState.WAITING, TaskState.RUNNING, TaskState.PART_DONE):
        with pytest.raises(NotYet, match=f"{IDENT} .* is {status}"):
            find_earlier(NAMED, tasks)
    else:
        with pytest.raises(PermanentError, match=f"is {status}. `rollq tasks retry {IDENT}`"):
            find_earlier(NAMED, tasks)


def test_a_task_that_is_gone_cannot_be_waited_for() -> None:
    gone: Any = OneTask()
    with pytest.raises(PermanentError, match=f"{IDENT} .* is gone.*rollq tasks retry"):
        find_earlier(NAMED, gone)


def test_without_init_model_nobody_is_asked() -> None:
    assert find_earlier({"model": {}}, None) is None
    assert keywords(object(), None, Settings()) == {}
    with pytest.raises(StateError, match=IDENT):
        find_earlier(NAMED, None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        IDENT,
        {},
        {"task": IDENT},
        {"pool": 1, "task": IDENT},
        {"pool": POOL, "task": IDENT[:8]},
        {"pool": POOL, "task": IDENT.upper()},
        {"pool": POOL, "task": 7},
        {"pool": POOL, "task": IDENT, "recorder": "r"},
    ],
)
def test_another_form_is_refused(value: Any) -> None:
    done: Any = OneTask(task_in(TaskState.DONE))
    with pytest.raises(TemplateError, match=r"init_model: .* names no task"):
        find_earlier({"init_model": value}, done)


def test_a_task_of_another_pool_is_refused() -> None:
    done: Any = OneTask(task_in(TaskState.DONE))
    with pytest.raises(TemplateError, match=r"init_model\.pool: .* is in pool 'warm', not in 'cold'"):
        find_earlier({"init_model": {"pool": "cold", "task": IDENT}}, done)


def test_it_is_part_of_what_a_task_is() -> None:
    other = {"init_model": {"pool": POOL, "task": IDENT[::-1]}}
    assert len({task_key({"model": {}, **more}) for more in ({}, NAMED, other)}) == 3


# -- training on a real tracking store --------------------------------------------------------------------------------


class Plain:
    """A user's model from before there were warm starts."""

    def __init__(self) -> None:
        self.fits = 0

    def fit(self, dataset: Any, *, checkpoint: Any = None) -> None:
        self.fits += 1

    def predict(self, dataset: Any, segment: str = "test") -> Any:
        return dataset.prepare(segment).iloc[:, 0].rename("score")

    def save(self, folder: Path) -> None:
        (folder / "plain.txt").write_text(str(self.fits))

    @classmethod
    def load(cls, folder: Path) -> Plain:
        return cls()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    uri = local_tracking_uri(tmp_path_factory.mktemp("mlflow"))
    prepare_tracking(uri)
    return load_settings(mlflow_uri=uri, components=(f"{__name__}:Plain",))


def definition(dataset: PanelDataset, model: dict[str, Any], **more: Any) -> Definition:
    config = {"class": "PanelDataset", "kwargs": {**dataset.to_config(), "fitted": None}}
    return {"model": model, "dataset": config, "record": [], **more}


def run(settings: Settings, definition: Definition, tasks: Any = None) -> tuple[Task, MLflowRecorder]:
    """Train and finish a task; the task as it is then, and its run."""
    key = task_key(definition)
    ident = task_id(POOL, key)
    claim = Claim(ident, POOL, key, "default", 1, "w", 1, 0, definition)
    recorder = MLflowExperiment.open(POOL, settings.mlflow_uri).create_recorder(start=True)
    result = train(claim.definition, recorder, lambda: None, settings, tasks)
    recorder.end_run()
    return task_in(TaskState.DONE, result, ident), recorder


def after(task: Task) -> dict[str, Any]:
    return {"init_model": {"pool": POOL, "task": task.id}}


LGB = {"class": "LGBModel", "kwargs": PARAMS}
RIDGE = {"class": "RidgeModel", "kwargs": {}}
PLAIN = {"class": "Plain", "kwargs": {}}


def test_a_window_starts_from_the_model_of_the_task_that_it_names(
    first: PanelDataset, second: PanelDataset, settings: Settings, tmp_path: Path
) -> None:
    earlier, _ = run(settings, definition(first, LGB))
    warm = definition(second, LGB, **after(earlier))
    (one, recorder), (two, _) = (run(settings, warm, OneTask(earlier)) for _ in range(2))
    text = (recorder.load_folder("model") / "model.txt").read_text()
    assert text == saved(fitted(second, fitted(first)), tmp_path / "by hand")
    assert one["result"]["artifacts"] == two["result"]["artifacts"]
    assert recorder.list_params()["init_model.task"] == earlier.id


def test_models_that_know_no_warm_start_train_as_before_and_refuse_one(first: PanelDataset, settings: Settings) -> None:
    for model in (PLAIN, RIDGE):
        earlier, _ = run(settings, definition(first, model))
        with pytest.raises(ComponentError, match=r"init_model: a .* cannot start from another model"):
            run(settings, definition(first, model, **after(earlier)), OneTask(earlier))


def test_a_result_without_a_model_is_permanent(first: PanelDataset, settings: Settings) -> None:
    earlier, _ = run(settings, definition(first, LGB))
    warm = definition(first, LGB, **after(earlier))
    empty = MLflowExperiment.open(POOL, settings.mlflow_uri).create_recorder(start=True)
    empty.end_run()
    for result in (None, {}, {"recorder_id": "gone"}, {"recorder_id": empty.id}):
        with pytest.raises(PermanentError, match=f"{earlier.id} .* no model to start from.*tasks retry {earlier.id}"):
            run(settings, warm, OneTask(dataclasses.replace(earlier, result=result)))


def test_categories_keep_the_codes_of_the_earlier_model(settings: Settings, tmp_path: Path) -> None:
    frame = bars().assign(kind=lambda rows: np.where(rows["date"] < "2020-06-15", "old", "new"))
    windows = [{"train": ["2020-02-03", "2020-05-29"]}, {"train": ["2020-07-01", "2020-10-30"]}]
    few = {**LGB, "kwargs": {"loss": "mse", "num_boost_round": 3}}
    earlier, found = None, []
    for number, segments in enumerate(windows):
        dataset = table(tmp_path, frame, categorical=["kind"], segments=segments, data_checks=False)
        config = {"class": "TableDataset", "kwargs": {**dataset.to_config(), "fitted": None}}
        config["kwargs"]["cache_dir"] = str(tmp_path / "cache")
        chain = after(earlier) if earlier else {}
        done = OneTask(earlier) if earlier else None
        earlier, recorder = run(settings, {"model": few, "dataset": config, "record": [], **chain}, done)
        found.append(recorder.load_object("dataset")["fitted"]["categories"]["kind"])
        assert number == 0 or dataset.to_config()["fitted"] == {"categories": {"kind": [["new", 0]]}}, "alone"
    assert found == [[["old", 0]], [["old", 0], ["new", 1]]]
