"""The strategies that are kept online, as any machine finds them in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.routine.ledger import Routines, Step, round_id
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.scheduler.strategies.rolling import OnlineStrategy, RollingStrategy
from rollq.scheduler.updates.predictions import Predictions
from rollq.tasks.backend import Backend
from rollq.tasks.components.registry import resolve
from rollq.tasks.errors import DocumentCorrupted, NotFound, StateError
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Id, Reader
from rollq.tasks.rolling.data_checks import check_accepted

BUILT_IN = {"RollingStrategy": RollingStrategy}


@dataclass(frozen=True)
class Booked:
    """A strategy as it stands in the book.

    ``delayed``: its tasks are registered first, and trained all together. ``rung``: the dates that somebody rang for
    and that nobody has served yet. ``accepted``: odd sessions that are taken as they are. ``plan``: tells the rounds of
    this entry from those of one that it took the place of.
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
    rung: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    plan: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**vars(self), "added_at": self.added_at.isoformat()}


class StrategyBook:
    """The book of a backend. The only code that reads or writes it."""

    def __init__(self, backend: Backend) -> None:
        self._store = backend.store
        self._settings = backend.settings

    @property
    def _book(self) -> Collection[Document]:
        return self._store.collection("strategies")

    def add(
        self,
        strategy: OnlineStrategy,
        by: str,
        *,
        begin: str,
        pool: str | None = None,
        delayed: bool = True,
        at: str | None = None,
        timezone: str = "UTC",
        replace: bool = False,
        plan: str = "",
    ) -> Booked:
        """Write a strategy into the book; the same one again changes nothing.

        Args:
            plan: of its rounds.
            begin: the first session under the routine (``YYYY-MM-DD``).
            replace: let it take the place of another one with this name.

        Raises:
            StateError: another one has this name.
        """
        document: Document = {
            "_id": strategy.name,
            "kind": type(strategy).__name__,
            "schema": SCHEMA,
            "config": strategy.to_config(),
            "pool": pool or strategy.name,
            "delayed": delayed,
            "begin": begin,
            "at": at,
            "timezone": timezone,
            "added_at": self._store.now(),
            "by": by,
            "rung": [],
            "accepted": [],
            "plan": plan,
        }
        with reachable():
            if replace:
                self._book.replace_one({"_id": strategy.name}, document, upsert=True)
                return self.get(strategy.name)
            try:
                self._book.insert_one(document)
            except DuplicateKeyError:
                known = self.get(strategy.name)
                if (known.kind, known.config) != (document["kind"], document["config"]):
                    raise StateError(
                        f"{strategy.name!r} is online already, with another template.",
                        "Give this one another name, or replace it: `rollq online add --replace`.",
                    ) from None
            return self.get(strategy.name)

    def want(self, name: str, date: str) -> None:
        """Write down that somebody rang for the sessions up to ``date`` (``YYYY-MM-DD``)."""
        with reachable():
            self._book.update_one({"_id": name}, {"$addToSet": {"rung": date}})

    def served(self, name: str, dates: Sequence[str]) -> None:
        """What was rung for is done."""
        with reachable():
            self._book.update_one({"_id": name}, {"$pullAll": {"rung": list(dates)}})

    def accept(self, name: str, sessions: Sequence[str]) -> Booked:
        """Take odd sessions as they are from now on: ``YYYY-MM-DD``, or ``YYYY-MM-DD:check``.

        Raises:
            NotFound: it is not in the book.
            TemplateError: one of them is something else, or the strategy does not look at its data.
        """
        entries = check_accepted(list(sessions), "--accept")
        self.strategy(self.get(name)).accept(entries)
        with reachable():
            self._book.update_one({"_id": name}, {"$addToSet": {"accepted": {"$each": list(entries)}}})
        return self.get(name)

    def traces(self, name: str) -> tuple[str | None, list[str]]:
        """The plan of the entry of this name (None if there is none), and what it accepts; also of a corrupted one."""
        with reachable():
            document = self._book.find_one({"_id": name}, {"plan": 1, "accepted": 1})
        if document is None:
            return None, []
        plan, accepted = document.get("plan"), document.get("accepted")
        entries = accepted if isinstance(accepted, list) else []
        return plan if isinstance(plan, str) else "", [one for one in entries if isinstance(one, str)]

    def find(self, name: str) -> Booked | None:
        """One strategy; None if it is not in the book."""
        with reachable():
            document = self._book.find_one({"_id": name})
        return STRATEGIES.read(document) if document else None

    def get(self, name: str) -> Booked:
        """One strategy.

        Raises:
            NotFound: it is not in the book.
        """
        with reachable():
            document = self._book.find_one({"_id": name})
            if document is None:
                known = ", ".join(str(found["_id"]) for found in self._book.find({}, {"_id": 1})) or "none"
                raise NotFound(
                    f"No strategy {name!r} is kept online.", f"There is: {known}. `rollq online add TEMPLATE` adds one."
                )
        return STRATEGIES.read(document)

    def all(self) -> list[Booked]:
        """All strategies that can be read, by name."""
        with reachable():
            return STRATEGIES.read_all(self._book.find().sort("_id", ASCENDING))

    def remove(self, name: str) -> None:
        """Strike a strategy out. What it did stays: online sets, signals, tasks and runs.

        Raises:
            NotFound: it is not in the book.
        """
        self.get(name)
        with reachable():
            self._book.delete_one({"_id": name})

    def strategy(self, booked: Booked) -> OnlineStrategy:
        """The strategy itself.

        Raises:
            ComponentError: its class is not registered here.
            TemplateError: its template cannot be used here.
            DocumentCorrupted: it is not what ``to_config`` wrote.
        """
        cls = BUILT_IN.get(booked.kind) or resolve({"class": booked.kind}, "strategy", self._settings.components)
        try:
            made: OnlineStrategy = cls.of_config(booked.config, self._settings)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _corrupted(booked.name, error) from error
        if booked.accepted:
            made.accept(booked.accepted)
        return made


def book_strategy(
    backend: Backend,
    strategy: OnlineStrategy,
    by: str,
    *,
    begin: str | None = None,
    delayed: bool = True,
    replace: bool = False,
    accept: Sequence[str] = (),
) -> Booked:
    """Write a strategy into the book; what is not given comes from its template. Raises as ``StrategyBook.add``.

    One that replaces another, or comes back, plans the sessions that are not DONE anew: what the other one began for
    them does not bind it.

    Args:
        accept: odd sessions of its data that are taken as they are.
    """
    options = getattr(getattr(strategy, "template", None), "online", None)
    for ledger in (Routines(backend), SignalLedger(backend), Predictions(backend), OnlineSets(backend.store)):
        ledger.ensure_indexes()
    if begin and not replace and (known := StrategyBook(backend).find(strategy.name)) and known.begin != begin:
        raise StateError(
            f"{strategy.name!r} is online already, from {known.begin}.",
            "Leave the begin out, or replace it: `rollq online add --replace`.",
        )
    first = begin or (options.begin if options else None) or strategy.sessions()[-1]
    book = StrategyBook(backend)
    before, kept = book.traces(strategy.name)
    anew = replace or (before is None and bool(Routines(backend).begun(strategy.name)))
    booked = book.add(
        strategy,
        by,
        begin=first,
        pool=getattr(strategy, "pool", None),
        delayed=delayed,
        at=options.at if options else None,
        timezone=options.timezone if options else "UTC",
        replace=replace,
        plan=uuid4().hex[:8] if anew else "",
    )
    if anew:
        _plan_anew(backend, strategy.name, before)
    return book.accept(strategy.name, [*kept, *accept]) if kept or accept else booked


def _plan_anew(backend: Backend, name: str, plan: str | None) -> None:
    """What was begun for sessions that are not DONE comes to nothing: no round of it puts models online."""
    begun = Routines(backend).plan_anew(name)
    rounds = {str(one.steps[Step.PREPARE].get("round", "")) for one in begun if Step.PREPARE in one.steps}
    rounds |= {round_id(name, one.session, plan or "") for one in begun}
    backend.rounds.give_up(sorted(rounds - {""}), "its strategy was replaced, and the session is planned anew")


def _corrupted(name: Any, error: Exception) -> DocumentCorrupted:
    what = f"The strategy {name!r} in the store is corrupted ({type(error).__name__}: {error})."
    return DocumentCorrupted(what, "Add it again with --replace.")


STRATEGIES = Reader("strategies", "strategy", Booked, "Add it again with --replace.")
