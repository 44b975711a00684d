"""The ledger of online sets: every version once, every round at most one version, whichever process publishes."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pymongo.errors import DuplicateKeyError

from rollq import Backend, NotFound, StateError
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel, OnlineSet
from tests.conformance.stores import StoreServer
from tests.made_sets import SIGNALS, made_set

MODELS = (OnlineModel("t", "r", ("2021-01-01", None)),)


@pytest.fixture
def sets(backend: Backend) -> OnlineSets:
    """The ledger of a fresh database."""
    made = OnlineSets(backend.store)
    made.ensure_indexes()
    return made


def publish(sets: OnlineSets, round_id: str, strategy: str = "s") -> tuple[OnlineSet, bool]:
    more: Any = {"signals": SIGNALS, "metrics": {"IC": 0.1}, "gaps": ("2021-01-02",)}
    return sets.publish(made_set(round_id, MODELS, strategy, **more))


def at_once(sets: OnlineSets, rounds: list[str]) -> list[tuple[OnlineSet, bool]]:
    made: list[Any] = []
    threads = [threading.Thread(target=lambda name=name: made.append(publish(sets, name))) for name in rounds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == len(rounds)
    return made


def test_the_first_set_of_a_strategy_comes_into_a_collection_with_indexes(backend: Backend, sets: OnlineSets) -> None:
    collection = backend.store.collection("online_sets")
    collection.drop()
    publish(sets, "round")
    twice = {**(collection.find_one({}) or {}), "_id": "another"}
    with pytest.raises(DuplicateKeyError):
        collection.insert_one(twice)


def test_a_set_is_kept_as_it_was_published(sets: OnlineSets) -> None:
    with pytest.raises(NotFound):
        sets.current("s")
    made, new = publish(sets, "round")
    assert new
    assert (made.version, made.models, made.signals, made.metrics) == (1, MODELS, SIGNALS, {"IC": 0.1})
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


def test_a_rollback_of_a_rollback_and_one_to_what_serves_already(sets: OnlineSets) -> None:
    for number in range(3):
        publish(sets, f"round{number}")
    back = [sets.rollback("s", "me").copy_of for _ in range(2)]
    assert back == [2, 1]  # each goes one further back
    with pytest.raises(StateError, match="before"):
        sets.rollback("s", "me")
    assert sets.rollback("s", "me", to=4).copy_of == 2  # version 4 is version 2 again
    for same in (2, 4, 6):
        with pytest.raises(StateError, match="serves now"):
            sets.rollback("s", "me", to=same)
    assert sets.current("s").version == 6


# -- any order of events ----------------------------------------------------------------------------------------------

EXAMPLES = {"native": 15, "python": 4, "mongodb": 15}
SESSIONS = [f"2021-01-{day:02}" for day in range(4, 16)]
_numbers = itertools.count()


def machine(sets: OnlineSets) -> type[RuleBasedStateMachine]:
    """The machine over one ledger: its model is the list of versions that must be there."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.strategy = f"s{next(_numbers)}"
            self.known: list[OnlineSet] = []
            self.rounds: dict[str, int] = {}
            self.sources: list[int] = []  # of each version, the one whose models it has

        @initialize()
        def first(self) -> None:
            self.publish(0, 0)

        def add(self, made: OnlineSet, source: int | None = None) -> None:
            assert made.version == len(self.known) + 1
            assert made.session >= max((one.session for one in self.known[-1:]), default="")
            self.known.append(made)
            self.sources.append(source or made.version)

        @rule(late=st.integers(0, 3), session=st.integers(0, len(SESSIONS) - 1))
        def publish(self, late: int, session: int) -> None:
            """A round is gathered, which was planned before some that are online already, or after all."""
            number, now = next(_numbers), datetime.now(UTC)
            planned = [one.planned_at for one in self.known if one.planned_at]
            when = planned[-late] - timedelta(seconds=1) if late and len(planned) >= late else now + timedelta(hours=1)
            when = when if not planned or late else max(*planned, now) + timedelta(seconds=1)
            champion = self.known[-1].champion if self.known else "base"
            other = "line" if champion == "base" else "base"
            online = made_set(
                f"round{number}",
                [OnlineModel(f"t{number}", f"r{number}", (SESSIONS[session], None))],
                self.strategy,
                planned_at=when,
                session=max(SESSIONS[session], self.known[-1].session if self.known else ""),
                champion=champion,
                challengers={other: (OnlineModel(f"c{number}", f"x{number}", (SESSIONS[session], None)),)},
            )
            made, new = sets.publish(online)
            too_late = any(one > when for one in planned)
            assert new is not too_late
            if new:
                self.rounds[f"round{number}"] = made.version
                self.add(made)
            else:
                assert made in self.known  # what serves stays

        @rule(session=st.sampled_from(SESSIONS))
        def promote(self, session: str) -> None:
            before = self.known[-1]
            (other,) = before.challengers
            with pytest.raises(StateError):
                sets.promote(self.strategy, "me", before.champion)
            made = sets.promote(self.strategy, "me", other, session)
            assert (made.champion, made.models) == (other, before.challengers[other])
            assert made.challengers == {before.champion: before.models}
            self.add(made)

        @rule(data=st.data(), session=st.sampled_from(SESSIONS))
        def rollback(self, data: st.DataObject, session: str) -> None:
            """To a version, or (None) to the one before what serves: a rollback of a rollback goes further back."""
            to = data.draw(st.one_of(st.none(), st.integers(-1, len(self.known) + 1)))
            serves = self.sources[-1]
            target = serves - 1 if to is None else to
            there = 1 <= target <= len(self.known)
            if not there or target == len(self.known) or self.sources[target - 1] == serves:
                with pytest.raises((StateError, NotFound)):
                    sets.rollback(self.strategy, "me", session, to)
                return
            made, source = sets.rollback(self.strategy, "me", session, to), self.sources[target - 1]
            assert made.models == self.known[source - 1].models
            assert made.champion == self.known[source - 1].champion
            assert made.copy_of == source
            self.add(made, source)

        @rule()
        def at_once(self) -> None:
            """Two rounds and a promotion at the same time: each is a version of its own, whichever is first."""
            before = self.known[-1]
            (other,) = before.challengers
            names = [f"round{next(_numbers)}" for _ in range(2)]
            more: Any = {"champion": before.champion, "challengers": before.challengers, "session": before.session}
            changes: list[Callable[[], Any]] = [
                lambda: sets.publish(made_set(names[0], MODELS, self.strategy, **more)),
                lambda: sets.promote(self.strategy, "me", other),
                lambda: sets.publish(made_set(names[1], MODELS, self.strategy, **more)),
            ]
            threads = [threading.Thread(target=change) for change in changes]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for made in sets.history(self.strategy)[len(self.known) :]:
                self.add(made)
                if made.round_id in names and not made.why:
                    self.rounds[made.round_id] = made.version
            assert len(self.known) == before.version + 3

        @invariant()
        def the_ledger_is_what_it_was_and_one_set_serves(self) -> None:
            if not self.known:
                return
            history = sets.history(self.strategy)
            assert history == self.known  # no version ever changes, and there is no gap
            assert sets.current(self.strategy) == history[-1]
            for ident, version in self.rounds.items():
                assert sets.of_round(ident) == history[version - 1]
            for when in (SESSIONS[0], SESSIONS[6], SESSIONS[-1]):
                begun = [one for one in history if one.session <= when]
                if begun:
                    assert sets.as_of(self.strategy, when) == begun[-1]
                else:
                    with pytest.raises(NotFound):
                        sets.as_of(self.strategy, when)
            assert sets.as_of(self.strategy, history[-1].at).version == history[-1].version

    return Machine


def test_any_order_of_events(sets: OnlineSets, server: StoreServer) -> None:
    run_state_machine_as_test(
        machine(sets),
        settings=hypothesis_settings(
            max_examples=EXAMPLES[server.variant],
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            phases=[Phase.generate],  # shorter examples of a failure would take minutes: every step asks a server
            derandomize=bool(os.environ.get("CI")),  # elsewhere every run looks at other orders
        ),
    )
