"""The online manager: simulation and live, at once and delayed, on a file that grows: one history, the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollq import Backend, NotFound, OnlineManager, RollingGroup, RollingStrategy, StateError
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.trainers import DelayTrainerR, TrainerR
from tests.online_strategies import (
    BEGIN,
    DAYS,
    LIVED,
    RIDGE,
    KeepsTheOld,
    manager,
    sha256_of,
    template,
    with_components,
    write_prices,
)

KINDS: dict[str, Any] = {"trees": {}, "line": {"model": RIDGE, "rtype": "expanding"}}


def both(backend: Backend, path: Path, name: str) -> list[RollingStrategy]:
    """Sliding trees and an expanding line."""
    made = [template(path, f"{kind} {name}", **options) for kind, options in KINDS.items()]
    return [RollingStrategy.of_template(one, backend.settings) for one in made]


def said(online: OnlineManager, folder: Path) -> dict[str, str]:
    """What a manager has to say for itself, as text: its history, and its signals byte for byte."""
    shown = {"history": json.dumps(online.online_history()).replace(online.name, "")}
    for kind in KINDS:
        signals = online.get_signals(f"{kind} {online.name}")
        days = signals.index.get_level_values("datetime").unique()
        assert signals.index.is_unique
        assert [f"{day:%Y-%m-%d}" for day in days] == DAYS[45:62]  # from the first window on
        shown[kind] = sha256_of(signals, folder)
    return shown


def simulated(backend: Backend, folder: Path, trainer: Any) -> OnlineManager:
    path, name = write_prices(folder / "prices.parquet"), f"simulated {trainer.__name__}"
    made = OnlineManager(both(backend, path, name), trainer, backend=backend, name=name)
    made.simulate(LIVED[-1])
    return made


def lived(backend: Backend, folder: Path, trainer: Any) -> OnlineManager:
    """Session by session: the file holds what was known then, and every session another process goes on."""
    path, name = write_prices(folder / "prices.parquet", until=LIVED[0]), f"lived {trainer.__name__}"
    made = OnlineManager(both(backend, path, name), trainer, backend=backend, name=name)
    made.first_train(timeout=60)
    made.prepare_signals()  # `first_train` does not, as in the reference
    for session in LIVED[1:]:
        write_prices(path, until=session)
        made = OnlineManager.load(name, backend=backend, trainer=trainer)
        made.routine(timeout=60)
    return made


def test_simulation_and_life_at_once_and_delayed_are_the_same_bytes(backend: Backend, tmp_path: Path) -> None:
    ways = [(way, trainer) for way in (simulated, lived) for trainer in (TrainerR, DelayTrainerR)]
    made = [way(backend, tmp_path, trainer) for way, trainer in ways]
    found = [said(one, tmp_path) for one in made]
    assert all(one == found[0] for one in found)
    assert made[0].prepare_signals().empty  # nothing is new
    at_once, bit_by_bit = made[0].get_signals(), made[-1].get_signals()
    assert at_once.index.is_unique  # the reference doubles rows
    assert sha256_of(at_once, tmp_path) == sha256_of(bit_by_bit, tmp_path)
    assert len(SignalLedger(backend).entries(made[-1].ensemble)) == len(LIVED)


def test_a_wrong_begin_and_a_strategy_without_signals_are_said(backend: Backend, tmp_path: Path) -> None:
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet", until=BEGIN)), begin_time=DAYS[60])
    assert made.routine() == {"small": None}  # its first session is yet to come
    with pytest.raises(NotFound):
        made.first_train()
    with pytest.raises(NotFound):
        made.get_signals()
    assert made.prepare_signals().empty
    with pytest.raises(StateError, match="no session"):
        made.simulate(BEGIN)
    with pytest.raises(NotFound):
        OnlineManager.load("another", backend=backend)
    other = template(tmp_path / "prices.parquet", model=RIDGE)
    with pytest.raises(StateError, match="already, from"):
        manager(backend, template(tmp_path / "prices.parquet"), begin_time=LIVED[1])
    with pytest.raises(StateError, match="another template"):
        manager(backend, other)


def test_a_strategy_chooses_what_serves_and_collects_what_was_predicted(backend: Backend, tmp_path: Path) -> None:
    backend = with_components(backend)
    made = template(write_prices(tmp_path / "prices.parquet"), "keeps")
    strategy = KeepsTheOld.of_template(made, backend.settings)
    online = OnlineManager(strategy, TrainerR, backend=backend, name="keeps")
    online.routine(LIVED[5], timeout=60)
    first, second = (one["models"] for one in online.online_history())
    assert [model["test"] for model in second] == [first[-1]["test"], [LIVED[3], None]]
    collected = online.get_collector(process_list=[RollingGroup()])()["keeps", "pred"]
    (joined,) = collected.values()
    published = online.get_signals("keeps")
    assert joined["score"].loc[published.index].equals(published["score"])
