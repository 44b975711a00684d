"""Documents of what is kept online that another program changed: every read works or raises an error of rollq."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollq import Backend, OnlineManager
from rollq.scheduler.champions import promotion as champions
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.routine.driver import bring_up_to, notify_unfinished
from rollq.scheduler.routine.ledger import Routines
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.scheduler.updates import revisions
from rollq.tasks.mongo.client import Document
from rollq.trainers import TrainerR
from tests.fuzz.junk import SEED, allowed, mutated, stored_junk
from tests.online_strategies import BEGIN, LIVED, RIDGE, manager, template, write_prices

CASES = 15  # of each collection
NAME = "fuzzed"
COLLECTIONS = ("routines", "signals", "strategies", "predictions", "online_sets", "online_managers")


@pytest.fixture
def documents(backend: Backend, tmp_path: Path) -> dict[str, list[Document]]:
    """What two sessions leave behind."""
    line = [{"name": "line", "model": RIDGE}]
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), NAME, challengers=line))
    made.routine(LIVED[1], timeout=60)
    found = {name: list(backend.store.collection(name).find({})) for name in COLLECTIONS}
    assert all(found.values())
    return found


def reads(backend: Backend) -> dict[str, list[Callable[[], Any]]]:
    """What is asked of each collection."""
    routines, ledger, registry = Routines(backend), SignalLedger(backend), StrategyRegistry(backend)
    sets = OnlineSets(backend.store)
    current = sets.current(NAME)

    def routine() -> Any:
        return bring_up_to(backend, NAME, LIVED[1], "me", TrainerR)

    def strategy() -> Any:
        return registry.strategy(registry.get(NAME)).plan(BEGIN)

    return {
        "routines": [
            lambda: [one.to_dict() for one in routines.history(NAME)],
            lambda: routines.done(NAME),
            lambda: routines.claim(NAME, BEGIN, "me"),
            lambda: notify_unfinished(backend),
            routine,
        ],
        "signals": [
            lambda: [one.to_dict() for one in ledger.entries(NAME)],
            lambda: ledger.last_day(NAME),
            lambda: ledger.read(NAME),
            lambda: revisions.find_revised(backend, strategy_of(backend), BEGIN, BEGIN),
            routine,
        ],
        "strategies": [
            lambda: [one.to_dict() for one in registry.all()],
            strategy,
            lambda: OnlineManager.load(NAME, backend=backend).online_history(),
            routine,
        ],
        "predictions": [
            lambda: Predictions(backend).added(current.models[-1].recorder_id),
            lambda: Predictions(backend).last_day(current.pool, current.models[-1]),
            lambda: Predictions(backend).read(NAME, current.models[-1]),
            lambda: champions.compare_variants(backend, strategy_of(backend), "line"),
        ],
        "online_sets": [
            lambda: [one.to_dict() for one in sets.history(NAME)],
            lambda: sets.current(NAME).serving(BEGIN),
            lambda: sets.as_of(NAME, BEGIN),
            lambda: sets.promote(NAME, "me", "line"),
            lambda: sets.rollback(NAME, "me"),
            lambda: champions.compare_variants(backend, strategy_of(backend), "line"),
            routine,
        ],
        "online_managers": [lambda: OnlineManager.load(NAME, backend=backend).online_history()],
    }


def strategy_of(backend: Backend) -> Any:
    registry = StrategyRegistry(backend)
    return registry.strategy(registry.get(NAME))


def test_no_document_of_what_is_online_raises_a_bare_error(
    backend: Backend, documents: dict[str, list[Document]]
) -> None:
    chance = random.Random(SEED)
    asked = reads(backend)
    for name, found in documents.items():
        for _ in range(CASES):
            collection = backend.store.collection(name)
            document = chance.choice(found)
            wrong = mutated({key: value for key, value in document.items() if key != "_id"}, chance, stored_junk)
            if not isinstance(wrong, dict) or "\x00" in repr(list(wrong)):
                wrong = {}
            try:
                collection.replace_one({"_id": document["_id"]}, wrong)
            except Exception:  # noqa: BLE001 - the server refuses it
                continue
            for ask in asked[name]:
                try:
                    allowed(ask)
                except Exception as error:
                    difference = {key: wrong.get(key, "gone") for key in document if wrong.get(key) != document[key]}
                    raise AssertionError(f"{name}: {difference}") from error
            restore(backend, documents, name)


def restore(backend: Backend, documents: dict[str, list[Document]], name: str) -> None:
    for collection in {name, "routines"}:  # dropped: the embedded server keeps entries of its unique indexes
        backend.store.collection(collection).drop()
        backend.store.collection(collection).insert_many(documents[collection])
    for made in (Routines(backend), SignalLedger(backend), OnlineSets(backend.store)):
        made.ensure_indexes()
