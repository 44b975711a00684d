"""The strategy registry: the strategies that are kept online, as any machine finds them in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.rolling import RollingStrategy
from rollq.tasks.backend import Backend
from rollq.tasks.components.registry import resolve
from rollq.tasks.errors import DocumentCorrupted, NotFound, StateError
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Id, Reader
from rollq.tasks.rolling.data_checks import check_accepted

BUILT_IN = {"RollingStrategy": RollingStrategy}
_given: dict[str, type[OnlineStrategy]] = {}  # classes that this process keeps online, registered or not


def know(cls: type[OnlineStrategy]) -> None:
    """Let this process make strategies of a class that it was given; others need it in the setting ``components``."""
    _given[cls.__name__] = cls


@dataclass(frozen=True)
class RegisteredStrategy:
    """A strategy as it stands in the registry.

    Args:
        delayed: its tasks are registered first, and trained all together.
        begin: the first session under the routine (``YYYY-MM-DD``).
        at, timezone: the time of day at which beat starts the routine; None: beat does not.
        notified: the dates that a message named and that no routine has served yet.
        accepted: odd sessions that are taken as they are.
        plan: tells the rounds of this entry from those of one that it took the place of.
        published_from: signals of earlier sessions are not published; empty: from the first window on.
        ahead: sessions after today are meant, so that one is done before its date has come.
    """

    name: Id
    kind: str
    config: dict[str, Any]
    pool: str
    delayed: bool
    begin: str
    at: str | None
    timezone: str
    added_at: datetime
    by: str
    notified: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    plan: str = ""
    published_from: str = ""
    ahead: bool = False

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {**vars(self), "added_at": self.added_at.isoformat()}


def new_plan() -> str:
    """A plan that no entry has."""
    return uuid4().hex[:8]


class StrategyRegistry:
    """The registry of a backend. The only code that reads or writes it."""

    def __init__(self, backend: Backend) -> None:
        self._store = backend.store
        self._settings = backend.settings

    @property
    def _registry(self) -> Collection[Document]:
        return self._store.collection("strategies")

    def add(self, entry: RegisteredStrategy, *, replace: bool = False) -> RegisteredStrategy:
        """Write a strategy into the registry; the same one again changes nothing.

        Args:
            entry: the strategy, and how it is kept online.
            replace: let it take the place of another one with this name.

        Raises:
            StateError: another one has this name.
        """
        document = {"_id": entry.name, "schema": SCHEMA, **asdict(entry)}
        del document["name"]
        with reachable():
            if replace:
                self._registry.replace_one({"_id": entry.name}, document, upsert=True)
                return self.get(entry.name)
            try:
                self._registry.insert_one(document)
            except DuplicateKeyError:
                known = self.get(entry.name)
                # Who added it, and when, makes no difference: the first entry stays as it is.
                if (known.kind, known.config) != (entry.kind, entry.config):
                    raise StateError(
                        f"{entry.name!r} is online already, with another template.",
                        "Give this one another name, replace it (`rollq online add --replace`), or forget what it did "
                        "(OnlineManager.load(NAME).reset()).",
                    ) from None
            return self.get(entry.name)

    def want(self, name: str, date: str) -> None:
        """Write down that a message named the sessions up to ``date`` (``YYYY-MM-DD``)."""
        with reachable():
            self._registry.update_one({"_id": name}, {"$addToSet": {"notified": date}})

    def served(self, name: str, dates: Sequence[str]) -> None:
        """What the messages named is done."""
        with reachable():
            # Only the dates that the caller has served: one that was named meanwhile stays.
            self._registry.update_one({"_id": name}, {"$pullAll": {"notified": list(dates)}})

    def look_ahead(self, name: str, ahead: bool) -> None:
        """Write down whether sessions after today are meant in its data."""
        with reachable():
            self._registry.update_one({"_id": name}, {"$set": {"ahead": ahead}})

    def accept(self, name: str, sessions: Sequence[str]) -> RegisteredStrategy:
        """Take odd sessions as they are from now on: ``YYYY-MM-DD``, or ``YYYY-MM-DD:check``.

        Raises:
            NotFound: it is not in the registry.
            TemplateError: one of them is something else, or the strategy does not look at its data.
        """
        entries = check_accepted(list(sessions), "--accept")
        self.strategy(self.get(name)).accept(entries)
        with reachable():
            self._registry.update_one({"_id": name}, {"$addToSet": {"accepted": {"$each": list(entries)}}})
        return self.get(name)

    def traces(self, name: str) -> tuple[str | None, list[str]]:
        """The plan of the entry of this name (None if there is none), and what it accepts; also of an invalid one."""
        with reachable():
            document = self._registry.find_one({"_id": name}, {"plan": 1, "accepted": 1})
        if document is None:
            return None, []
        plan, accepted = document.get("plan"), document.get("accepted")
        entries = accepted if isinstance(accepted, list) else []
        return plan if isinstance(plan, str) else "", [one for one in entries if isinstance(one, str)]

    def find(self, name: str) -> RegisteredStrategy | None:
        """One strategy; None if it is not in the registry."""
        with reachable():
            document = self._registry.find_one({"_id": name})
        return STRATEGIES.read(document) if document else None

    def get(self, name: str) -> RegisteredStrategy:
        """One strategy.

        Raises:
            NotFound: it is not in the registry.
        """
        found = self.find(name)
        if found is None:
            with reachable():
                known = ", ".join(str(entry["_id"]) for entry in self._registry.find({}, {"_id": 1})) or "none"
            raise NotFound(
                f"No strategy {name!r} is kept online.", f"There is: {known}. `rollq online add TEMPLATE` adds one."
            )
        return found

    def all(self) -> list[RegisteredStrategy]:
        """All strategies that can be read, by name."""
        with reachable():
            return STRATEGIES.read_all(self._registry.find().sort("_id", ASCENDING))

    def remove(self, name: str) -> None:
        """Remove a strategy. What it did stays: online sets, signals, tasks and runs.

        Raises:
            NotFound: it is not in the registry.
        """
        self.get(name)
        with reachable():
            self._registry.delete_one({"_id": name})

    def strategy(self, registered: RegisteredStrategy) -> OnlineStrategy:
        """The strategy itself.

        Raises:
            ComponentError: its class is not registered here.
            TemplateError: its template cannot be used here.
            DocumentCorrupted: it is not what ``to_config`` wrote.
        """
        kind = registered.kind
        cls = BUILT_IN.get(kind) or _given.get(kind)
        cls = cls or resolve({"class": kind}, "strategy", self._settings.components)
        try:
            made: OnlineStrategy = cls.of_config(registered.config, self._settings)
        # `of_config` may be an own class's, and the document may hold anything.
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _invalid(registered.name, error) from error
        # After it was made: what is accepted belongs to the entry, and the template stays as it is written.
        if registered.accepted:
            made.accept(registered.accepted)
        return made


def _invalid(name: str, error: Exception) -> DocumentCorrupted:
    what = f"The strategy {name!r} in the store is invalid ({type(error).__name__}: {error})."
    return DocumentCorrupted(what, "Add it again with --replace.")


STRATEGIES = Reader("strategies", "strategy", RegisteredStrategy, "Add it again with --replace.")
