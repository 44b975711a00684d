"""Several models in one round by template: one per value of a column, one per horizon; each row predicted once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rollq import Backend, OnlineManager, RollingStrategy
from rollq.enqueueing import enqueue_plan, enqueue_research
from rollq.scheduler.champions.research import find_round, labels_of, signals_of
from rollq.scheduler.signals.members import of_horizon
from rollq.signals import current_signals
from rollq.tasks.definition import with_dataset_kwargs
from rollq.tasks.errors import BadInput, DataError
from rollq.tasks.rolling.members.per import Per
from rollq.tasks.rolling.template import Template
from rollq.trainers import TrainerR
from rollq.updating import What, update_predictions
from tests.command_line import CommandLine
from tests.online_strategies import DAYS, LIVED, RIDGE, closes, template, write_prices
from tests.zoned import COMPONENT, prices, zone_of

# Of the sessions of LIVED, B ends on the second.
ZONES = {"A": (DAYS[0], DAYS[-1]), "B": (DAYS[0], DAYS[53]), "C": (DAYS[42], DAYS[-1])}


@pytest.fixture
def zoned(backend: Backend) -> Backend:
    """A backend that knows the dataset with zones."""
    return replace(backend, settings=backend.settings.model_copy(update={"components": (COMPONENT,)}))


def per_zone(path: Path, name: str, sessions: int = 10, **changes: object) -> Template:
    """One ridge regression for each zone."""
    made = template(path, name, model=RIDGE)
    dataset = {"class": "ZonedDataset", "kwargs": {**made.definition["dataset"]["kwargs"], **changes}}
    return replace(made, definition={**made.definition, "dataset": dataset}, per=Per("zone", sessions))


def horizons(path: Path, name: str) -> Template:
    """One model for each of two horizons; the main one is the longer."""
    made = template(path, name, model=RIDGE)
    label = {"op": "forward_return", "horizon": 2, "start": 1}
    rolling = {**made.rolling, "kwargs": {**made.rolling["kwargs"], "trunc_days": 4}}
    return replace(made, definition=with_dataset_kwargs(made.definition, label=label), horizons=(2, 1), rolling=rolling)


def short(made: Template) -> Template:
    """The same for four windows."""
    segments = {"train": [DAYS[5], DAYS[40]], "test": [DAYS[45], DAYS[64]]}
    return replace(made, definition=with_dataset_kwargs(made.definition, segments=segments))


def online(backend: Backend, made: Template) -> OnlineManager:
    strategy = RollingStrategy.of_template(made, backend.settings)
    return OnlineManager(strategy, TrainerR, backend=backend, name=made.name)


def zones_on(signals: pd.DataFrame, day: str) -> set[str]:
    return {zone_of(str(name)) for name in signals.loc[day].index}


def test_each_zone_has_a_model_as_soon_as_it_has_labels_and_as_long_as_it_has_rows(
    zoned: Backend, tmp_path: Path
) -> None:
    made = online(zoned, per_zone(prices(closes(), ZONES, tmp_path), "zones"))
    made.simulate(LIVED[-1])
    signals = made.get_signals("zones")
    assert list(signals.columns) == ["score"]
    assert signals.index.is_unique
    assert signals["score"].notna().all()
    assert zones_on(signals, LIVED[0]) == {"A", "B"}  # C has rows, and too few labels
    assert zones_on(signals, DAYS[54]) == {"A"}  # B has ended
    assert zones_on(signals, LIVED[8]) == {"A", "C"}  # from the next window on that C has labels for
    last = made.online("zones")
    assert {model.member for model in last.models} >= {"zone=A", "zone=C"}
    assert {model.role.group for model in last.models} == {model.member for model in last.models}


def test_days_that_are_lived_through_give_what_a_simulation_gives(zoned: Backend, tmp_path: Path) -> None:
    whole = prices(closes(), ZONES, tmp_path)
    simulated = online(zoned, per_zone(whole, "simulated"))
    simulated.simulate(LIVED[-1])
    grows = tmp_path / "grows.parquet"
    write_prices(grows, pd.read_parquet(whole), until=LIVED[0])
    lived = online(zoned, per_zone(grows, "lived"))
    said = []
    for session in LIVED:
        write_prices(grows, pd.read_parquet(whole), until=session)
        lived = OnlineManager.load("lived", backend=zoned, trainer=TrainerR)
        routine = lived.routine(timeout=60)["lived"]
        assert routine is not None
        said += list(routine.steps.prepare.why) if routine.steps.prepare else []
    pd.testing.assert_frame_equal(simulated.get_signals("simulated"), lived.get_signals("lived"))
    assert any("zone=C has no model yet" in line for line in said)
    assert any("zone=B has no row after" in line for line in said)


def test_a_failed_zone_leaves_out_its_own_rows_alone(zoned: Backend, tmp_path: Path) -> None:
    made = per_zone(prices(closes(), {"A": ZONES["A"], "B": ZONES["A"]}, tmp_path), "policy")
    plan = RollingStrategy.of_template(short(made), zoned.settings).plan()
    assert not plan.remarks
    trained = enqueue_plan(plan, zoned, policy="0.5")
    tasks = zoned.tasks.find(ids=trained.created.ids, definitions=True)
    bad = [task for task in tasks if task.definition["member"] == "zone=B"][1]
    zoned.tasks.cancel([bad.id], "a person")
    TrainerR(trained.pool, backend=zoned).wait_gathered(trained, timeout=60)
    start, end = bad.segments["test"]
    signals = current_signals(zoned, "policy").frame
    assert zones_on(signals, str(start)) == {"A"}
    assert zones_on(signals, DAYS[DAYS.index(str(end)) + 1]) == {"A", "B"}


def test_a_row_without_a_zone_is_refused_before_anything_is_trained(zoned: Backend, tmp_path: Path) -> None:
    path = prices(closes(), {"A": ZONES["A"], "_": ZONES["B"]}, tmp_path)
    with pytest.raises(DataError, match=r"per: 108 of .* rows have no 'zone'"):
        RollingStrategy.of_template(per_zone(path, "none"), zoned.settings).plan()


def test_each_horizon_has_signals_and_the_first_one_is_the_score(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = online(backend, horizons(write_prices(tmp_path / "prices.parquet"), "two"))
    made.simulate(LIVED[-1])
    signals = made.get_signals("two")
    assert list(signals.columns) == ["score", "horizon=2", "horizon=1"]
    assert signals.notna().all(axis=None)
    assert signals["score"].equals(signals["horizon=2"])
    assert not signals["score"].equals(signals["horizon=1"])
    assert of_horizon(signals, "1")["score"].equals(signals["horizon=1"].rename("score"))
    with pytest.raises(BadInput, match="horizon 5") as refused:
        of_horizon(signals, "5")
    assert "2, 1" in refused.value.fix
    joint = made.get_signals()
    assert len(joint) == len(signals)  # of the first horizon
    rollq = CommandLine(monkeypatch, capsys, backend.settings)
    shown = rollq("signals", "show", "two", "--horizon", "1", "--top", "1", "--json").json
    best = signals.loc[LIVED[-1]]["horizon=1"].max()
    assert shown["signals"][0]["score"] == pytest.approx(best)
    assert rollq("signals", "export", tmp_path / "two.csv", "--strategy", "two", "--horizon", "1").code == 0
    assert pd.read_csv(tmp_path / "two.csv")["score"].iloc[-1] == pytest.approx(signals["horizon=1"].iloc[-1])
    assert rollq("signals", "show", "two", "--horizon", "5").code == 2
    assert "horizon=1" in rollq("online", "show", "two").out
    assert "horizon=2" in rollq("tasks", "list", "--pool", "two").out


def test_each_horizon_is_what_a_template_of_it_alone_gives(backend: Backend, tmp_path: Path) -> None:
    path = write_prices(tmp_path / "prices.parquet")
    both = horizons(path, "both")
    label = {"op": "forward_return", "horizon": 1, "start": 1}
    one = replace(both, name="one", definition=with_dataset_kwargs(both.definition, label=label), horizons=())
    found = []
    for made in (both, one):
        manager = online(backend, made)
        manager.simulate(LIVED[3])
        found.append(manager.get_signals(made.name))
    pd.testing.assert_series_equal(found[0]["horizon=1"], found[1]["score"], check_names=False)


def test_zones_and_horizons_together_are_one_round_of_research(zoned: Backend, tmp_path: Path) -> None:
    path = prices(closes(), ZONES, tmp_path)
    made = replace(per_zone(path, "all"), horizons=(2, 1))
    made = replace(made, rolling={**made.rolling, "kwargs": {**made.rolling["kwargs"], "trunc_days": 4}})
    strategy = RollingStrategy.of_template(short(made), zoned.settings)
    opened = enqueue_research(strategy, zoned)
    assert list(opened) == ["all"]
    trained = opened["all"]
    tasks = zoned.tasks.find(ids=trained.created.ids, definitions=True)
    assert {"zone=A horizon=2", "zone=B horizon=1"} <= {task.definition["member"] for task in tasks}
    TrainerR(trained.pool, backend=zoned).wait_gathered(trained, timeout=60)
    signals = signals_of(zoned, find_round(zoned, "all"))
    assert list(signals.columns) == ["score", "horizon=2", "horizon=1"]
    assert signals.notna().all(axis=None)
    assert zones_on(signals, LIVED[-1]) == {"A", "C"}
    labels = labels_of(zoned, find_round(zoned, "all"))
    assert labels.index.equals(signals.index)  # of the first horizon alone


def test_rows_that_come_late_are_predicted_and_published_again(zoned: Backend, tmp_path: Path) -> None:
    path = prices(closes(), {"A": ZONES["A"], "B": ZONES["A"]}, tmp_path)
    whole, late = pd.read_parquet(path), LIVED[1]
    write_prices(path, whole[(whole["datetime"] != late) | (whole["instrument"].str[0] != "B")])
    made = online(zoned, per_zone(path, "late"))
    made.routine(LIVED[2], timeout=60)
    assert zones_on(made.get_signals("late"), late) == {"A"}
    write_prices(path, whole)
    found = update_predictions(zoned, "late", TrainerR, "a test", What.REVISED)
    assert late in found["sessions"]
    assert zones_on(made.get_signals("late"), late) == {"A", "B"}
