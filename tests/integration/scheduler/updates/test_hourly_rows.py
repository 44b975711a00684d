"""Rows of hours in a zone with daylight saving, from training to signals, the next day, a revision and a backfill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rollq import Backend, OnlineManager, RecorderCollector, RollingGroup
from rollq.scheduler.backfill_plan import begin_backfill, plan_backfill
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.routine.ledger import RoutineState
from rollq.scheduler.signals.files import write_csv, write_signals
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.updates.revisions import find_revised, revise
from rollq.tasks.definition import segments_of
from rollq.tasks.predictions.session_days import on_sessions, sessions_in
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.trainers import TrainerR
from rollq.updating import What, update_predictions
from tests.rows.hourly import COMPONENTS, PLACES, ZONE, load, strategy, until, write

LOAD = load()


@pytest.fixture
def served(backend: Backend) -> Backend:
    return replace(backend, settings=backend.settings.model_copy(update={"components": COMPONENTS}))


def manager(backend: Backend, path: Path, name: str, checks: object = None) -> OnlineManager:
    return OnlineManager(strategy(path, name, backend.settings, checks), TrainerR, backend=backend, name=name)


def rows_of(*days: str) -> pd.MultiIndex:
    return LOAD.index[on_sessions(LOAD, days)]


def test_a_week_of_hours_is_lived_through(served: Backend, tmp_path: Path) -> None:
    name, path = "hourly", write(until(LOAD, "2024-03-30"), tmp_path / "load.parquet")
    made, ledger = manager(served, path, name), SignalLedger(served)
    made.first_train(timeout=60)
    published = ledger.read(name)
    assert published.index.equals(rows_of(*(f"2024-03-{day}" for day in range(25, 30))))
    assert str(published.index.levels[0].tz) == ZONE

    # On the day of 23 hours the routine runs when nine of them are there.
    write(until(LOAD, "2024-03-31 10:00"), path)
    assert made.routine("2024-03-31", timeout=60)[name].status is RoutineState.DONE  # type: ignore[union-attr]
    part = ledger.read(name, ["2024-03-30", "2024-03-31"])
    assert len(part) == (24 + 9) * len(PLACES)
    assert "2024-03-31T02" not in {time.isoformat()[:13] for time in part.index.get_level_values(0)}

    # The rest of it came: it is predicted again as a whole, and published again; a week ends, so a model is trained.
    write(until(LOAD, "2024-04-02"), path)
    made.routine("2024-04-01", timeout=60)
    entries = ledger.entries(name)
    assert entries[-1].days == ("2024-03-31", "2024-04-01")
    now = ledger.read(name)
    assert now.index.equals(rows_of(*sessions_in(until(LOAD, "2024-04-02").loc["2024-03-25":])))  # type: ignore[misc]
    assert ledger.read(name, as_of=entries[-2].at).index.equals(now.index[: len(published) + len(part)])
    assert [one.session for one in OnlineSets(served.store).history(name)] == ["2024-03-29", "2024-04-01"]
    unchanged = now.loc[part.index]
    pd.testing.assert_frame_equal(unchanged, part)
    made.routine("2024-04-01", timeout=60)
    assert len(ledger.entries(name)) == len(entries)

    # One hour of one place is another value, by which that of two days later is predicted: that day, and no other.
    revised = until(LOAD, "2024-04-02").copy()
    hour = pd.Timestamp("2024-03-30 07:00", tz=ZONE)
    revised.loc[(hour, "south"), "load"] += 30
    write(revised, path)
    trainer, one = TrainerR(name, backend=served), manager(served, path, name).strategies[0]
    assert {day for update in find_revised(served, one) for day in update.days} == {"2024-04-01"}
    assert revise(served, one, trainer, "me", timeout=60).sessions == ("2024-04-01",)
    again = ledger.read(name)
    moved = again.index[(again["score"] != now["score"]).to_numpy()]
    assert list(moved) == [(pd.Timestamp("2024-04-01 08:00", tz=ZONE), "south")]  # 48 hours later, not two clock days

    # What was written, and how it is read elsewhere.
    write_signals(again, tmp_path / "signals.parquet")
    flat = pd.read_parquet(tmp_path / "signals.parquet")
    assert str(flat["datetime"].dt.tz) == ZONE
    write_csv(again, tmp_path / "signals.csv")
    lines = (tmp_path / "signals.csv").read_text().splitlines()
    assert lines[1].startswith("2024-03-25T00:00:00+01:00,north,")
    assert lines[-1].startswith("2024-04-01T23:00:00+02:00,west,")
    collected = one.get_collector(process_list=[RollingGroup()])()
    (joined,) = collected["pred"].values()
    assert joined.index.equals(again.index)


def test_sessions_ahead_are_published_and_their_labels_learned_later(served: Backend, tmp_path: Path) -> None:
    """The temperature of tomorrow is known, its load is not."""
    name = "ahead"

    def known(day: str) -> pd.DataFrame:
        table = until(LOAD, f"{pd.Timestamp(day) + pd.Timedelta(days=2):%Y-%m-%d}").copy()
        table.loc[table.index.get_level_values(0) >= pd.Timestamp(f"{day} 12:00", tz=ZONE), "load"] = float("nan")
        return table

    path = write(known("2024-03-29"), tmp_path / "load.parquet")
    made, ledger = manager(served, path, name, {"future": 1}), SignalLedger(served)
    made.first_train(timeout=60)
    made.routine("2024-03-29", timeout=60)
    assert ledger.last_day(name) == "2024-03-30"
    assert ledger.entries(name)[-1].ahead
    write(known("2024-03-30"), path)
    made.routine("2024-03-30", timeout=60)
    signals = ledger.read(name)
    assert signals.index.equals(rows_of(*sessions_in(known("2024-03-30").loc["2024-03-25":])))  # type: ignore[misc]

    learned = update_predictions(served, name, TrainerR, "me", What.LABELS, timeout=60)
    assert {day for days in learned["days"].values() for day in days} == {"2024-03-29", "2024-03-30"}
    again = update_predictions(served, name, TrainerR, "me", What.LABELS, timeout=60)
    assert again["tasks"] == 0
    (labels,) = (
        made.strategies[0].get_collector(artifacts_path={"label": "label.pkl"}, process_list=[])()["label"].values()
    )
    missing = labels.index[labels["label"].isna()]
    assert missing.get_level_values(0).min() == pd.Timestamp("2024-03-30 12:00", tz=ZONE)


def test_a_backfill_covers_every_hour_of_its_weeks_once(served: Backend, tmp_path: Path) -> None:
    name, path = "weeks", write(LOAD, tmp_path / "load.parquet")
    plan = strategy(path, name, served.settings).plan()
    tests = [segments_of(one)["test"] for one in plan.definitions]
    assert tests == [("2024-03-25", "2024-03-31"), ("2024-04-01", "2024-04-07"), ("2024-04-08", "2024-04-10")]
    # 24 hours from any hour of the last day of train end before the first one of test, also when clocks change.
    assert [segments_of(one)["train"][1] for one in plan.definitions] == ["2024-03-22", "2024-03-29", "2024-04-05"]
    made = begin_backfill(served, plan_backfill(plan, served, ("2024-03-28", "2024-04-03")))
    assert made is not None
    trainer = TrainerR(name, backend=served)
    while any(not task.status.is_terminal for task in served.tasks.find(name)):
        trainer.work()
    experiment = MLflowExperiment.open(name, served.settings.mlflow_uri)
    (joined,) = RecorderCollector(experiment, process_list=[RollingGroup()])()["pred"].values()
    assert joined.index.equals(rows_of(*sessions_in(until(LOAD, "2024-04-08").loc["2024-03-25":])))  # type: ignore[misc]
