"""One reader for every kind of document: any field may be missing, null, of another type or foreign."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rollq import Backend, TaskState
from rollq.health.documents import READERS, unreadable
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.routine.ledger import Routines
from rollq.scheduler.routine.timetable import Timetable
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.backfills.backfill import ACTIVE, BACKFILLS, BackfillMode
from rollq.tasks.errors import DocumentCorrupted
from rollq.tasks.mongo.client import Document
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Reader
from rollq.tasks.queue.worker_registry import WORKERS
from rollq.tasks.resources import Resources
from rollq.tasks.tracking.runs.orphans import ORPHANS
from rollq.tasks.upkeep.sweeper import sweep
from tests.chaos.job import definition

AT = datetime(2021, 1, 4, tzinfo=UTC)
MODEL = {"task_id": "t", "recorder_id": "r", "test": ["2021-01-04", None], "identity": "m"}
PURPOSE = {"kind": "serve", "strategy": "s", "sessions": ["2021-01-04"]}
SIGNALS = {"recorder_id": "r", "artifact": "a", "sha256": "0", "rows": 1, "start": "2021-01-04", "end": "2021-01-04"}
# A document of each kind, as rollq writes it.
GOOD: dict[str, Document] = {
    "backfills": {
        **{"_id": "b", "pool": "p", "strategy": "s", "mode": "all", "start": "2021-01-04", "end": "2021-02-04"},
        **{"max_active": None, "newest_first": False, "status": "active", "reason": "", "total": 1, "positions": 1},
        **{"cursor": 0, "admitted": ["t"], "step": 0, "created_at": AT, "touched_at": AT, "started_at": None},
        **{"going_since": None, "ended_at": None, "cancel_running": False, "settled": False, "counts": {"DONE": 1}},
    },
    "workers": {
        **{
            "_id": "host/1",
            "queues": ["default"],
            "processes": 2,
            "available": {"cpu": 1.0, "gpu": 0.0, "mem_gb": 1.0},
        },
        **{"started_at": AT, "seen_at": AT, "restarts": 0},
    },
    "orphans": {"_id": "t", "pool": "p", "why": "w", "noted_at": AT, "tried_at": AT},
    "strategies": {
        **{"_id": "s", "kind": "RollingStrategy", "config": {}, "pool": "p", "delayed": True, "begin": "2021-01-04"},
        **{"at": None, "timezone": "UTC", "added_at": AT, "by": "me", "wanted": ""},
    },
    "routines": {
        **{"_id": "s:2021-01-04", "strategy": "s", "session": "2021-01-04", "status": "open", "steps": {}, "notes": {}},
        **{"waits_for": "", "reason": "", "by": "me", "fence": 1, "lease": None, "looked_at": AT, "created_at": AT},
        "finished_at": None,
    },
    "signals": {
        **{"_id": "s:1", "strategy": "s", "number": 1, "session": "2021-01-04", "days": ["2021-01-04"], "rows": 1},
        **{"sha256": "0", "pool": "p", "recorder_id": "r", "artifact": "a", "versions": [1], "gaps": [], "at": AT},
        **{"by": "me", "why": "w"},
    },
    "predictions": {
        **{"_id": "t", "recorder_id": "r", "start": "2021-01-04", "end": "2021-01-04", "at": AT, "why": "added"},
        "result": {"artifact": "a"},
    },
    "online_sets": {
        **{"_id": "s:1", "strategy": "s", "version": 1, "pool": "p", "round_id": "r", "at": AT, "by": "me"},
        **{"models": [MODEL], "signals": SIGNALS, "metrics": {"IC": 0.1}, "gaps": [], "challengers": {"c": [MODEL]}},
        "better": {"profit": "higher"},
    },
    "online_managers": {"_id": "m", "strategies": ["s"]},
    "rounds": {
        **{
            "_id": "r",
            "pool": "p",
            "task_ids": ["t"],
            "policy": "all",
            "purpose": PURPOSE,
            "status": "open",
            "held": False,
        },
        **{
            "after": [],
            "unblocked": True,
            "failed_by_dependency": False,
            "fence": 0,
            "lease": None,
            "created_at": AT,
            "finished_at": None,
        },
        **{"result": None, "reason": ""},
    },
}
for one in GOOD.values():
    one["schema"] = SCHEMA
OTHERS: tuple[Any, ...] = (None, True, 7, -1.5, float("nan"), "x", b"x", [], [1], {}, {"x": 1}, AT)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.collection)
def test_a_document_is_read_or_refused_by_name(reader: Reader[Any]) -> None:
    good = GOOD[reader.collection]
    read = reader.read(good)
    assert repr(reader.read({**good, "foreign": object(), "another": {"x": 1}})) == repr(read)
    with pytest.raises(DocumentCorrupted, match="a newer rollq wrote it"):
        reader.read({**good, "schema": SCHEMA + 1})
    for name in good:
        without = {key: value for key, value in good.items() if key != name}
        for hurt in (without, *({**good, name: other} for other in OTHERS)):
            why = reader.problem(hurt)  # any other error than DocumentCorrupted fails the test
            assert not why or "\n" not in why
    assert reader.read_all([good, {}, {"_id": 1}, good]) == [read, read]


def test_missing_and_wrong_fields_are_named() -> None:
    for reader, hurt, why in (
        (WORKERS, {"queues": None}, "queues"),
        (WORKERS, {"queues": [1]}, "queues"),
        (WORKERS, {"available": {"cpu": "much"}}, "cpu"),
        (WORKERS, {"processes": "2"}, "processes"),
        (WORKERS, {"processes": 2**60}, "processes"),
        (WORKERS, {"processes": True}, "processes"),
        (WORKERS, {"seen_at": 1_609_718_400}, "seen_at"),
        (BACKFILLS, {"settled": "yes"}, "settled"),
        (BACKFILLS, {"status": b"active"}, "status"),
        (BACKFILLS, {"status": "sleeping"}, "sleeping"),
        (BACKFILLS, {"admitted": "t"}, "admitted"),
        (ORPHANS, {"noted_at": "yesterday"}, "noted_at"),
    ):
        assert why in reader.problem({**GOOD[reader.collection], **hurt})
    without = {name: value for name, value in GOOD["workers"].items() if name not in ("restarts", "seen_at")}
    assert WORKERS.read({**without, "seen_at": AT}).restarts == 0
    assert "seen_at is missing" in WORKERS.problem(without)


def hurt_all(backend: Backend) -> list[str]:
    """One damaged document in each collection; their collections."""
    for name, good in GOOD.items():
        first = next(key for key in good if key != "_id" and not isinstance(good[key], str | type(None)))
        backend.store.collection(name).insert_one({**good, "_id": f"damaged {name}", first: b"\xff"})
    return list(GOOD)


def test_damaged_documents_are_named_and_hold_up_nothing(backend: Backend) -> None:
    ids = backend.tasks.create_tasks("pool", [definition(number, 0.0) for number in range(4)]).ids
    good = backend.backfills.open("pool", "s", BackfillMode.ALL, ("2021-01-04", "2021-02-04"), 0)
    backend.store.collection("backfills").update_one({"_id": good.id}, {"$set": {"foreign": {"x": [1]}}})
    backend.worker_registry.heartbeat("host/2", ["default"], 1, Resources())
    damaged = hurt_all(backend)
    assert [one.id for one in backend.backfills.find()] == [good.id]
    assert [worker.name for worker in backend.worker_registry.workers() if worker.alive] == ["host/2"]
    assert backend.tasks.orphans.all() == []
    assert StrategyRegistry(backend).all() == []
    assert Routines(backend).history() == []
    assert backend.backfills.start(good.id).status in (ACTIVE, "finished")
    sweep(backend, "sweeper")
    assert backend.backfills.get(good.id).settled
    claimed = backend.tasks.claim("pool", "w")
    assert claimed
    assert claimed.task_id in ids
    lines = unreadable(backend)
    for name in damaged:
        assert any(f"{name} 'damaged {name}'" in line for line in lines), name
    for name in damaged:
        backend.store.collection(name).delete_one({"_id": f"damaged {name}"})
    assert unreadable(backend) == ()


def test_a_strategy_that_cannot_be_read_hides_no_other(backend: Backend) -> None:
    sets, registry = backend.store.collection("online_sets"), backend.store.collection("strategies")
    for name, hurt in (("bad", {"models": 7}), ("good", {})):
        sets.insert_one({**GOOD["online_sets"], "_id": f"{name}:1", "strategy": name, "origin": name, **hurt})
    assert [online.strategy for online in OnlineSets(backend.store).currents()] == ["good"]
    fires = {**GOOD["strategies"], "at": "18:30"}
    registry.insert_many([{**fires, "_id": "bad", "timezone": "Nowhere/At all"}, {**fires, "_id": "good"}])
    registry.insert_one({**fires, "_id": "worse", "at": "soon"})
    notified = Timetable(backend, now=lambda: datetime(2021, 1, 5, 19, tzinfo=UTC)).notify()
    assert [name for name, _ in notified] == ["good"]


def test_what_is_done_to_several_tasks_is_done_to_each_by_itself(backend: Backend) -> None:
    tasks, documents = backend.tasks, backend.store.collection("tasks")
    wrong: list[Document] = [{"history": 3}, {"fence": "x"}, {"stage": 7}, {"requested": [1]}]
    for number, change in enumerate(wrong):
        for act in ("cancel", "hold", "prioritize", "retry", "admit", "remove"):
            start = 1_000 * number + 10 * len(act)
            ids = list(tasks.create_tasks(f"{act}{number}", [definition(start + n, 0.0) for n in range(3)]).ids)
            if act == "retry":
                assert tasks.cancel(ids, "me") == ids
            if act == "admit":
                claims = [tasks.claim(f"{act}{number}", "w") for _ in ids]
                for claimed in claims:
                    assert claimed
                    tasks.commit(claimed, {}, part=True)
            documents.update_one({"_id": ids[1]}, {"$set": change})
            others = [ids[0], ids[2]]
            if act in ("cancel", "retry", "admit"):
                assert [one for one in getattr(tasks, act)(ids, "me") if one != ids[1]] == others
            elif act == "hold":
                assert tasks.hold(ids) == 2
                assert tasks.unhold(ids) == 2
            elif act == "prioritize":
                assert tasks.prioritize(ids, 5) == 2
            else:
                assert set(tasks.remove(ids)) >= set(others)
            if act in ("cancel", "hold", "prioritize", "admit"):
                assert tasks.get(ids[1]).status is TaskState.FAILED, (act, change)


def test_a_damaged_running_task_does_not_keep_others_from_being_taken_back(backend: Backend) -> None:
    ids = backend.tasks.create_tasks("pool", [definition(number, 0.0) for number in range(3)]).ids
    for number in range(3):
        assert backend.tasks.claim("pool", f"dead{number}")
    backend.store.collection("tasks").update_one({"_id": ids[1]}, {"$unset": {"lease": 1}})
    taken = backend.tasks.reclaim("sweeper", ["dead0", "dead1", "dead2"])
    assert {task.id for task in taken} == {ids[0], ids[2]}
    assert backend.tasks.get(ids[1]).status is TaskState.FAILED
