"""The ledger of online sets: every version once, every round at most one version, whoever publishes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from rollq import Backend, NotFound
from scheduler.online_sets import OnlineModel, OnlineSet, OnlineSets

MODELS = (OnlineModel("t", "r", ("2021-01-01", None)),)


@pytest.fixture
def sets(backend: Backend) -> OnlineSets:
    """The ledger of a fresh database."""
    made = OnlineSets(backend.store)
    made.ensure_indexes()
    return made


def publish(sets: OnlineSets, round_id: str, strategy: str = "s") -> tuple[OnlineSet, bool]:
    return sets.publish(strategy, "pool", round_id, "me", MODELS, {"rows": 1}, {"IC": 0.1}, ["2021-01-02"])


def at_once(sets: OnlineSets, rounds: list[str]) -> list[tuple[OnlineSet, bool]]:
    made: list[Any] = []
    threads = [threading.Thread(target=lambda name=name: made.append(publish(sets, name))) for name in rounds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == len(rounds)
    return made


def test_a_set_is_kept_as_it_was_published(sets: OnlineSets) -> None:
    with pytest.raises(NotFound):
        sets.current("s")
    made, new = publish(sets, "round")
    assert new
    assert (made.version, made.models, made.signals, made.metrics) == (1, MODELS, {"rows": 1}, {"IC": 0.1})
    assert sets.current("s") == sets.version("s", 1) == sets.of_round("round") == made
    with pytest.raises(NotFound):
        sets.version("s", 2)
    assert sets.of_round("other") is None


def test_rounds_that_publish_at_once_take_versions_without_gap(sets: OnlineSets) -> None:
    made = at_once(sets, [f"round{n}" for n in range(8)])
    assert all(new for _, new in made)
    assert sorted(one.version for one, _ in made) == [one.version for one in sets.history("s")] == list(range(1, 9))
    assert sets.current("s").version == 8


def test_gatherers_of_one_round_publish_one_set(sets: OnlineSets) -> None:
    made = at_once(sets, ["round"] * 8)
    assert sum(new for _, new in made) == 1
    assert {one.version for one, _ in made} == {1}
    assert len(sets.history("s")) == 1


def test_strategies_count_apart(sets: OnlineSets) -> None:
    for number in range(3):
        publish(sets, f"a{number}", "a")
    publish(sets, "b", "b")
    assert (sets.current("a").version, sets.current("b").version) == (3, 1)
    assert sets.strategies() == ["a", "b"]


def test_the_database_forbids_a_version_and_a_round_twice(backend: Backend, sets: OnlineSets) -> None:
    publish(sets, "round")
    ledger = backend.store.collection("online_sets")
    document = ledger.find_one({})
    assert document
    for change in ({"round_id": "other"}, {"version": 2}):
        with pytest.raises(DuplicateKeyError):
            ledger.insert_one({**document, "_id": "new", **change})
