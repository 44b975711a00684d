"""The online manager with the calls of Qlib's: every trainer, one task or several, and what can be reset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq import (
    AverageEnsemble,
    Backend,
    BadInput,
    DelayTrainerR,
    DelayTrainerRM,
    MLflowExperiment,
    MLflowRecorder,
    OnlineManager,
    OnlineSets,
    OnlineStrategy,
    OnlineToolR,
    RollingGen,
    RollingStrategy,
    SettingsError,
    SignalLedger,
    StateError,
    TaskManager,
    TrainerR,
    TrainerRM,
)
from rollq.scheduler.champions.promotion import rollback
from rollq.tasks.definition import Definition, planned_test
from tests.online_strategies import BEGIN, DAYS, LGB, LIVED, RIDGE, STEP, sha256_of, template, write_prices

END = LIVED[5]
OTHER_LGB: Definition = {"class": "LGBModel", "kwargs": {**LGB["kwargs"], "num_leaves": 3}}
GENERATOR = RollingGen(STEP, RollingGen.ROLL_SD, ds_extra_mod_func=None, trunc_days=3)


def task(path: Path, model: Definition = LGB) -> Definition:
    """A task as Qlib's users write it: one record, segments as tuples of Timestamps."""
    made = template(path, "any", model).definition
    kwargs = made["dataset"]["kwargs"]
    segments = {
        name: tuple(None if day is None else pd.Timestamp(day) for day in bounds)
        for name, bounds in kwargs["segments"].items()
    }
    return {
        **made,
        "dataset": {**made["dataset"], "kwargs": {**kwargs, "segments": segments}},
        "record": made["record"][0],
    }


def three(path: Path) -> list[Definition]:
    """Tasks whose models serve together; two of them are of one class."""
    return [task(path, model) for model in (LGB, OTHER_LGB, RIDGE)]


def strategy(path: Path, name: str, tasks: Any = None) -> RollingStrategy:
    return RollingStrategy(name, tasks or task(path), GENERATOR)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    return write_prices(tmp_path / "prices.parquet")


def simulated(backend: Backend, trainer: Any, name: str, tasks: Any) -> OnlineManager:
    sunday = pd.Timestamp(BEGIN) - pd.Timedelta(days=1)  # the next session is meant
    made = OnlineManager(RollingStrategy(name, tasks, GENERATOR), trainer, sunday, backend=backend)
    assert made.simulate(END).equals(made.get_signals())
    return made


def test_every_trainer_gives_the_same_bytes(backend: Backend, prices: Path, tmp_path: Path) -> None:
    trainers = {
        "at once": TrainerR(),
        "through a pool": TrainerRM("an experiment", "shared"),
        "delayed": DelayTrainerR,
        "delayed through a pool": DelayTrainerRM(task_pool="shared"),
    }
    through = [
        name for name in trainers if "pool" in name
    ]  # the others: tests/integration/scheduler/test_online_manager.py
    for names, tasks in ((through, task(prices)), (list(trainers), three(prices))):
        made = [simulated(backend, trainers[name], f"{len(names)} {name}", tasks) for name in names]
        assert len({sha256_of(one.get_signals(), tmp_path) for one in made}) == 1
        assert len({sha256_of(one.get_signals(one.strategies[0].name), tmp_path) for one in made}) == 1
    collected = made[1].get_collector()()[made[1].name, "pred"]
    assert len(collected) == 3
    average = AverageEnsemble()(collected)
    signals = made[1].get_signals()
    assert signals.name == "score"
    assert (signals - average.loc[signals.index]).abs().max() < 1e-6  # scores are float32
    assert len(signals) == len(average)
    assert list(made[1].get_signals(made[1].name).columns)[1:] == sorted(key for (key,) in collected)
    (first, recorders), *_ = made[1].history.items()
    assert (first, made[1].cur_time, made[1].status) == (pd.Timestamp(BEGIN), pd.Timestamp(END), "online")
    served = recorders[made[1].strategies[0]]
    assert {one.experiment_id for one in served} == {
        MLflowExperiment.open(made[1].name, backend.settings.mlflow_uri).id
    }


def test_models_that_serve_together_live_as_they_were_simulated(backend: Backend, prices: Path, tmp_path: Path) -> None:
    planned = simulated(backend, TrainerR, "planned", three(prices))
    write_prices(prices, until=BEGIN)
    made = OnlineManager(strategy(prices, "lived", three(prices)), TrainerR, BEGIN, backend=backend)
    made.first_train(timeout=60)
    made.to_pickle(tmp_path / "kept")
    for session in LIVED[1:6]:
        write_prices(prices, until=session)
        made = OnlineManager.load(tmp_path / "kept", backend=backend)
        runs = made.routine(timeout=60)
    assert str(runs) == f"lived: {END}: 3 predictions updated, no new task, 6 signals published; done"
    assert sha256_of(made.get_signals(), tmp_path) == sha256_of(planned.get_signals(), tmp_path)
    kept, second = (one.models for one in OnlineSets(backend.store).history("lived"))
    assert len({model.member for model in second}) == 3
    rollback(backend, "lived", "me")
    write_prices(prices, until=LIVED[6])
    made.routine(timeout=60)
    now = OnlineSets(backend.store).current("lived").models
    assert now == kept
    assert len(made.get_signals("lived").loc[LIVED[6]].dropna().columns) == 4  # all three go on


def test_a_simulation_runs_again_once_it_was_reset(
    backend: Backend, prices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLQ_MONGO_URI", backend.settings.mongo_uri)
    monkeypatch.setenv("ROLLQ_MONGO_DATABASE", backend.settings.mongo_database)
    made = OnlineManager(strategy(prices, "again"), TrainerRM(), BEGIN, backend=backend)
    before = made.simulate(END)
    manager, experiment = TaskManager("again", backend), MLflowExperiment.open("again", backend.settings.mlflow_uri)
    assert manager.remove() == []
    with pytest.raises(StateError, match=r"OnlineManager\.reset"):
        experiment.delete_recorder(next(iter(experiment.list_recorders())))
    with pytest.raises(StateError, match=r"reset\(\)"):
        OnlineManager(strategy(prices, "again", task(prices, RIDGE)), TrainerRM(), backend=backend)
    made.reset()
    assert OnlineSets(backend.store).history("again") == []
    assert manager.remove()
    for ident in experiment.list_recorders():
        experiment.delete_recorder(ident)
    assert made.simulate(END).equals(before)
    made.reset()
    made.first_train(timeout=60)
    with pytest.raises(StateError, match=r"live=True"):
        made.reset()
    with pytest.raises(StateError, match=r"live=True"):
        made.simulate(END)
    assert OnlineSets(backend.store).history("again")
    made.reset(live=True)
    assert made.simulate(END).equals(before)


def test_what_was_published_stays_when_a_strategy_is_added(backend: Backend, prices: Path) -> None:
    write_prices(prices, until=LIVED[1])
    made = OnlineManager(strategy(prices, "first"), None, BEGIN, backend=backend, name="desk")
    made.routine(timeout=60)
    before = made.get_signals()
    made.add_strategy(strategy(prices, "second", task(prices, RIDGE)), timeout=60)
    write_prices(prices, until=LIVED[2])
    made = OnlineManager.load("desk", backend=backend, trainer=TrainerR())
    assert [one.name for one in made.strategies] == ["first", "second"]
    made.routine("2018-03-25", timeout=60)  # a Sunday
    ledger = SignalLedger(backend)
    assert ledger.published("second") == set(LIVED[1:3])
    now = made.get_signals()
    assert now.loc[: DAYS[52]].equals(before.loc[: DAYS[52]])
    assert not now.loc[LIVED[1]].equals(before.loc[LIVED[1]])  # that session has both by now


class Newest(OnlineStrategy):
    """As Qlib's users write one: all windows at first, then those that begin; the newest model alone serves.

    Args:
        name_id: its name.
        task_template: what rolls.
        rolling_gen: how.
    """

    def __init__(self, name_id: str, task_template: Definition, rolling_gen: RollingGen) -> None:
        super().__init__(name_id)
        self.helper = RollingStrategy(name_id, task_template, rolling_gen)
        self.rg = rolling_gen
        self.tool = OnlineToolR(self.name_id)

    def first_tasks(self) -> Sequence[Definition]:
        """Every window, whatever the day."""
        return [{part: one[part] for part in ("model", "dataset", "record")} for one in self.helper.first_tasks()]

    def prepare_tasks(self, cur_time: pd.Timestamp, most: int = 9) -> Sequence[Definition]:
        """The same; those that have not begun, or were planned, are left out."""
        assert self.tool.online_models()
        return self.first_tasks()[:most]

    def prepare_online_models(
        self, trained_models: Sequence[MLflowRecorder], cur_time: pd.Timestamp | None = None, most: int = 1
    ) -> Sequence[MLflowRecorder]:
        """Those that begin last."""
        assert cur_time is not None
        found = sorted(trained_models, key=lambda one: planned_test(one.load_object("task")))[-most:]
        self.tool.reset_online_tag(found)
        self.logger.info("%d serve", len(found))
        return found


def test_a_strategy_of_ones_own_has_the_methods_of_qlibs(backend: Backend, prices: Path) -> None:
    for trainer in (TrainerR, DelayTrainerR):
        made = OnlineManager(
            Newest(f"newest {trainer.delay}", task(prices), GENERATOR), trainer, BEGIN, backend=backend
        )
        made.simulate(END, "day", {"most": 9}, {"most": 2})
        first, second = OnlineSets(backend.store).history(made.name)
        assert ([model.test[0] for model in first.models], len(second.models)) == ([DAYS[45], DAYS[50]], 1)
    with pytest.raises(SettingsError, match="takes no 'more'"):
        made.simulate(END, task_kwargs={"more": 1})
    with pytest.raises(SettingsError, match="takes no 'more'"):
        made.routine(model_kwargs={"more": 1})
    with pytest.raises(SettingsError, match="takes no 'how'"):
        made.simulate(END, signal_kwargs={"how": 1})
    with pytest.raises(SettingsError, match="model_kwargs"):
        made.simulate(END, model_kwargs={"most": print})


def own(task: Definition, generator: RollingGen) -> None:
    """A function of the user's own."""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path: RollingStrategy("a", task(path), RollingGen(5, ds_extra_mod_func=own)), "ds_extra_mod_func"),
        (lambda path: RollingStrategy("a", task(path), RollingGen(5, task_copy_func=dict)), "task_copy_func"),
        (lambda path: RollingStrategy("a", task(path)), "rolling_gen"),
        (lambda path: RollingStrategy("a", [], GENERATOR), "task_template"),
        (lambda path: RollingStrategy("a", "text", GENERATOR), "task_template"),
        (lambda path: RollingStrategy("a", [task(path), task(path)], GENERATOR), "the same"),
        (lambda path: RollingStrategy("a", {"model": LGB}, GENERATOR), "dataset"),
        (lambda path: RollingStrategy("a", template(path, "a"), GENERATOR), "rolling_gen"),
        (lambda path: OnlineManager([], backend=None), "needs a strategy"),
        (lambda path: OnlineManager(strategy(path, "a"), freq="week"), "frequency"),
    ],
)
def test_what_cannot_be_is_said(change: Any, says: str, prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=says):
        change(prices)


def test_a_file_that_names_no_manager_is_refused(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "manager.pkl").write_bytes(b"\x80\x04}.")
    with pytest.raises(BadInput, match="to_pickle"):
        OnlineManager.load(tmp_path / "manager.pkl", backend=backend)
