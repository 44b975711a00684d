"""Sessions that are odd, late or gone: the routine waits for their data, does the others, and comes back by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq import Backend, NotFound, OnlineManager, RollingStrategy, RoundFailed, TemplateError
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.routine.driver import bring_up_to, notify_unfinished
from rollq.scheduler.routine.ledger import DATA, Routines, RoutineState
from rollq.scheduler.routine.registration import register_strategy
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.queue.states import TaskState
from rollq.trainers import TrainerR
from tests.online_strategies import (
    BEGIN,
    LIVED,
    closes,
    manager,
    sha256_of,
    template,
    with_components,
    write_prices,
)

NAME = "odd"
STRAY = "2018-03-24"  # a Saturday after LIVED[4]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_prices(tmp_path / "prices.parquet", until=LIVED[1])


def until(session: str, *, without: str = "", only: int = 6, of: str = "") -> pd.DataFrame:
    """The prices up to a session, without another one, and with so few instruments of a third."""
    found = closes()
    names = sorted(found["instrument"].unique())[:only]
    kept = (found["datetime"] <= session) & (found["datetime"] != without)
    return found[kept & ((found["datetime"] != of) | found["instrument"].isin(names))]


def and_row(prices: pd.DataFrame, session: str) -> pd.DataFrame:
    row = prices.tail(1).assign(datetime=pd.Timestamp(session).as_unit("us"))
    return pd.concat([prices, row.astype(prices.dtypes)], ignore_index=True)


def published(backend: Backend) -> list[str]:
    return sorted(day for day in SignalLedger(backend).published(NAME) if day >= BEGIN)


def states(backend: Backend) -> dict[str, RoutineState]:
    return {one.session: one.status for one in Routines(backend).history(NAME)}


def run(backend: Backend, session: str | None = None) -> Any:
    made = OnlineManager.load(NAME, backend=backend, trainer=TrainerR)
    return made.routine(session, timeout=60)[NAME]


def same_as_calm(backend: Backend, folder: Path, upto: str) -> bool:
    """Whether the signals of ``upto`` are those of a strategy that saw good data only."""
    path = write_prices(folder / "calm.parquet", until=upto)
    calm = manager(backend, template(path, "calm"))
    calm.routine(timeout=60)
    ledger = SignalLedger(backend)
    found = [sha256_of(ledger.read(name, [upto]), folder) for name in (NAME, "calm")]
    return found[0] == found[1]


@pytest.mark.parametrize("odd", ["2030-01-02", "9999-12-31", STRAY, "0001-01-01"])
def test_a_wrong_date_ends_nothing_and_is_forgotten_when_it_is_repaired(
    backend: Backend, path: Path, tmp_path: Path, odd: str
) -> None:
    manager(backend, template(path, NAME)).routine(timeout=60)
    write_prices(path, and_row(until(LIVED[5]), odd))
    assert run(backend).session == LIVED[5]
    assert published(backend) == LIVED[:6]
    waits = {one.session: one.waits_for for one in Routines(backend).history(NAME) if one.waits_for}
    assert set(waits) == ({odd} if odd >= BEGIN else set())
    assert all(said.startswith(DATA) for said in waits.values())
    write_prices(path, until(LIVED[6]))
    assert run(backend, LIVED[6]).session == LIVED[6]
    assert states(backend) == dict.fromkeys(LIVED[:7], RoutineState.DONE)
    assert same_as_calm(backend, tmp_path, LIVED[6])


def test_a_strategy_that_an_earlier_version_ended_comes_back(backend: Backend, path: Path, tmp_path: Path) -> None:
    """Its last session was in 2030: it was DONE, published, and wanted."""
    manager(backend, template(path, NAME)).routine(timeout=60)
    Routines(backend).open(NAME, "2030-01-02")
    backend.store.collection("routines").update_one({"session": "2030-01-02"}, {"$set": {"status": "done"}})
    entry = SignalLedger(backend).entries(NAME)[-1]
    document = backend.store.collection("signals").find_one({"number": entry.number, "strategy": NAME}) or {}
    later = {"_id": f"{NAME}:{entry.number + 1}", "number": entry.number + 1, "days": ["2030-01-02"]}
    backend.store.collection("signals").insert_one({**document, **later})
    old = {"$unset": {"notified": 1, "accepted": 1, "plan": 1}, "$set": {"wanted": "2030-01-02"}}
    backend.store.collection("strategies").update_one({"_id": NAME}, old)
    write_prices(path, until(LIVED[5]))
    assert run(backend).session == LIVED[5]
    assert published(backend) == [*LIVED[:6], "2030-01-02"]
    assert same_as_calm(backend, tmp_path, LIVED[5])


def test_a_late_session_is_caught_up_and_published(backend: Backend, path: Path, tmp_path: Path) -> None:
    made = template(path, NAME)
    manager(backend, made).routine(timeout=60)
    write_prices(path, until(LIVED[4], without=LIVED[2]))
    run(backend)
    before = SignalLedger(backend).read(NAME, [LIVED[3]])
    assert published(backend) == [*LIVED[:2], *LIVED[3:5]]
    write_prices(path, until(LIVED[5]))
    assert run(backend).session == LIVED[5]
    assert published(backend) == LIVED[:6]
    assert [one.days for one in SignalLedger(backend).entries(NAME)][-2:] == [(LIVED[2],), (LIVED[5],)]
    assert SignalLedger(backend).read(NAME, [LIVED[3]]).equals(before)  # what was said before is not said again
    assert set(states(backend).values()) == {RoutineState.DONE}


@pytest.mark.parametrize("way", ["thin", "placeholders"])
def test_a_session_that_is_not_whole_waits_and_goes_on_when_it_is(
    backend: Backend, path: Path, tmp_path: Path, way: str
) -> None:
    manager(backend, template(path, NAME)).routine(timeout=60)
    prices = until(LIVED[2], only=2, of=LIVED[2])
    if way == "placeholders":
        prices.loc[prices["datetime"] == LIVED[2], "close"] = float("nan")
    write_prices(path, prices)
    assert run(backend) is None
    (waiting,) = [one for one in Routines(backend).history(NAME) if one.status is not RoutineState.DONE]
    assert (waiting.session, waiting.status) == (LIVED[2], RoutineState.OPEN)
    assert "of 6 instruments have a close (thin)" in waiting.waits_for
    assert OnlineSets(backend.store).current(NAME).version == 1
    backend.store.collection("routines").update_one({"session": LIVED[2]}, {"$set": {"looked_at": waiting.created_at}})
    write_prices(path, until(LIVED[2]))
    notify_unfinished(backend)  # what beat does: the worker that receives it goes on
    assert bring_up_to(backend, NAME, LIVED[2], "me", TrainerR)
    run(backend)
    assert published(backend) == LIVED[:3]
    assert same_as_calm(backend, tmp_path, LIVED[2])


def test_a_strategy_is_notified_of_once_however_many_of_its_sessions_wait(backend: Backend, path: Path) -> None:
    manager(backend, template(path, NAME)).routine(timeout=60)
    for session in LIVED[2:5]:
        Routines(backend).wait_for_data(NAME, session, "rain")
    aged = {"$set": {"looked_at": datetime(2020, 1, 1, tzinfo=UTC)}}
    backend.store.collection("routines").update_many({"session": {"$in": LIVED[2:5]}}, aged)
    assert notify_unfinished(backend) == 1
    StrategyRegistry(backend).remove(NAME)
    assert notify_unfinished(backend) == 0


def test_what_is_accepted_is_published_and_stays_accepted(backend: Backend, path: Path) -> None:
    manager(backend, template(path, NAME)).routine(timeout=60)
    write_prices(path, until(LIVED[2], only=2, of=LIVED[2]))
    assert run(backend) is None
    registry = StrategyRegistry(backend)
    with pytest.raises(TemplateError, match="no check"):
        registry.accept(NAME, [f"{LIVED[2]}:thinn"])
    assert registry.accept(NAME, [f"{LIVED[2]}:thin"]).accepted == (f"{LIVED[2]}:thin",)
    assert run(backend).session == LIVED[2]
    assert len(SignalLedger(backend).read(NAME, [LIVED[2]])) == 2
    with pytest.raises(NotFound):
        registry.accept("another", [LIVED[2]])
    register_strategy(backend, RollingStrategy.of_template(template(path, NAME), backend.settings), "me", replace=True)
    assert registry.get(NAME).accepted == (f"{LIVED[2]}:thin",)


def test_what_is_accepted_after_its_predictions_were_asked_for_counts(backend: Backend, path: Path) -> None:
    manager(backend, template(path, NAME)).routine(timeout=60)
    write_prices(path, until(LIVED[2]))
    asked = bring_up_to(backend, NAME, LIVED[2], "me", TrainerR)
    assert asked
    assert asked.waits_for == "predictions"
    write_prices(path, until(LIVED[2], only=2, of=LIVED[2]))  # before a worker has looked
    TrainerR(NAME, backend=backend).work()
    assert run(backend) is None
    StrategyRegistry(backend).accept(NAME, [LIVED[2]])
    assert run(backend).session == LIVED[2]
    assert len(SignalLedger(backend).read(NAME, [LIVED[2]])) == 2
    assert not backend.tasks.find(f"{NAME}.predictions", status=[TaskState.WAITING])


def test_a_session_that_was_taken_back_holds_the_later_ones_until_it_is_back_or_accepted(
    backend: Backend, path: Path
) -> None:
    manager(backend, template(path, NAME)).routine(timeout=60)
    write_prices(path, until(LIVED[3], without=LIVED[1]))
    assert run(backend) is None
    assert published(backend) == LIVED[:2]
    waits = {one.session: one.waits_for for one in Routines(backend).history(NAME) if one.waits_for}
    assert set(waits) == set(LIVED[2:4])
    assert all(f"{LIVED[1]} was published and is not in the data any more" in said for said in waits.values())
    write_prices(path, until(LIVED[2]))
    assert run(backend).session == LIVED[2]
    write_prices(path, until(LIVED[3], without=LIVED[1]))
    StrategyRegistry(backend).accept(NAME, [LIVED[1]])
    assert run(backend).session == LIVED[3]


# -- F.1: a routine whose template was repaired -----------------------------------------------------------------------


def failed(backend: Backend, path: Path, cause: Path) -> Backend:
    """A strategy whose second round failed at LIVED[3]; the model is to blame."""
    backend = with_components(backend)
    model = {"class": "BrokenModel", "kwargs": {"while_there": str(cause)}}
    write_prices(path, until(LIVED[4]))
    made = manager(backend, template(path, NAME, model))
    made.first_train(timeout=60)
    cause.touch()
    with pytest.raises(RoundFailed, match=r"made to fail.*`rollq tasks retry ID`"):
        made.routine(timeout=60)
    return backend


@pytest.mark.parametrize("way", ["another template", "the same template", "removed and added"])
def test_replacing_plans_what_failed_anew(backend: Backend, path: Path, tmp_path: Path, way: str) -> None:
    cause = tmp_path / "cause"
    backend = failed(backend, path, cause)
    (old,) = [one for one in backend.rounds.find(NAME) if one.status == "failed"]
    kwargs = {"while_there": str(cause)}
    if way == "another template":
        kwargs = {"while_there": str(tmp_path / "elsewhere")}
    else:
        cause.unlink()
    repaired = RollingStrategy.of_template(
        template(path, NAME, {"class": "BrokenModel", "kwargs": kwargs}), backend.settings
    )
    if way == "removed and added":
        StrategyRegistry(backend).remove(NAME)
    register_strategy(backend, repaired, "me", replace=way != "removed and added")
    assert run(backend).session == LIVED[4]
    assert set(states(backend).values()) == {RoutineState.DONE}
    current = OnlineSets(backend.store).current(NAME)
    assert (current.version, current.round_id != old.id) == (2, True)
    tasks = backend.tasks.find(NAME)
    backend.tasks.retry([task.id for task in tasks], "me")
    assert backend.rounds.reopen(NAME, [task.id for task in tasks]) == 0  # the old round is given up for good
    assert "replaced" in backend.rounds.get(old.id).reason
