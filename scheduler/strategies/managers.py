"""The online managers in the store: each keeps some strategies online, and any machine goes on with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Reader

COLLECTION = "online_managers"


@dataclass(frozen=True)
class StoredManager:
    """A manager as it stands in the store: its strategies by name."""

    strategies: tuple[str, ...]


MANAGERS = Reader(COLLECTION, "online manager", StoredManager, "Make it anew.")


def add_strategies(store: Store, name: str, strategies: Sequence[str]) -> None:
    """Write down that a manager keeps these strategies, too; a manager that is not there is made."""
    names: Document = {"strategies": {"$each": list(strategies)}}
    changes = {"$addToSet": names, "$setOnInsert": {"schema": SCHEMA}}
    with reachable():
        store.collection(COLLECTION).update_one({"_id": name}, changes, upsert=True)


def remove_manager(store: Store, name: str) -> None:
    """Write down no more that there is this manager."""
    with reachable():
        store.collection(COLLECTION).delete_one({"_id": name})


def strategies_of(store: Store, name: str) -> tuple[str, ...] | None:
    """The names of the strategies of a manager; None if there is no manager of this name.

    Raises:
        DocumentCorrupted: it was changed past rollq.
    """
    with reachable():
        document = store.collection(COLLECTION).find_one({"_id": name})
    return MANAGERS.read(document).strategies if document else None
