"""The ledger of online sets: the list of all versions of the models that serve.

A version comes online by one insert: the highest version of a strategy is the current one, so there is never a half
of one. A round makes at most one version, however often it is gathered. A rollback to an earlier version is a new one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from rollq.scheduler.online.online_set import ONLINE_SETS, OnlineSet
from rollq.tasks.errors import DocumentCorrupted, NotFound, StateError
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.layout import SCHEMA

log = logging.getLogger(__name__)


class OnlineSets:
    """The ledger of a store. The only code that reads or writes it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _sets(self) -> Collection[Document]:
        return self._store.collection("online_sets")  # asked for anew: after a fork it belongs to another connection

    def ensure_indexes(self) -> None:
        """Make the indexes that forbid two sets of one version and two sets of one round."""
        with reachable():
            self._sets.create_index([("strategy", ASCENDING), ("version", ASCENDING)], unique=True)
            self._sets.create_index([("origin", ASCENDING)], unique=True)

    def publish(self, online: OnlineSet, check: Check = no_lease) -> tuple[OnlineSet, bool]:
        """Put the set of a round online in one write; its number and its time are given here.

        A round that is finished after one that was made later (``planned_at``) comes too late: that one's set stays.

        Args:
            online: the set; version and time in it do not count.
            check: called right before the write; raises LeaseLost if the caller does not hold the round any more.

        Returns:
            The set of this round (or the one that it comes too late for), and whether this call made it.
        """
        with reachable():
            while True:
                if made := self.of_round(online.round_id):
                    return made, False
                # The number before the look for a newer round: a set that comes in between takes the number, and the
                # insert below fails.
                version = self._latest_version(online.strategy) + 1
                if newer := self._made_later(online.strategy, online.planned_at):
                    return newer, False
                if version == 1:  # every later set is inserted into a collection that has its indexes
                    self.ensure_indexes()
                check(sure=True)
                if self._insert(online, version, origin=online.round_id):
                    return self.version(online.strategy, version), True

    def found(self, online: OnlineSet) -> tuple[OnlineSet, bool]:
        """Put the first set of a strategy online; a strategy that ever had one stays as it is.

        Args:
            online: the set; version and time in it do not count.

        Returns:
            The set of this origin (``round_id``), and whether this call made it.

        Raises:
            StateError: the strategy has a set of another origin.
        """
        with reachable():
            self.ensure_indexes()
            if self._insert(online, 1, origin=online.round_id):
                return self.version(online.strategy, 1), True
            made = self.of_round(online.round_id)
        if made is None:
            raise StateError(f"Strategy {online.strategy!r} is online already.", "Choose another name.")
        return made, False

    def rollback(self, strategy: str, by: str, session: str = "", to: int | None = None, why: str = "") -> OnlineSet:
        """Make an earlier version serve again, as a new entry.

        Args:
            strategy: its name.
            by: who or what asked for it.
            session: the first session that it serves again; not before that of the current set.
            to: which one; None: the one before what serves now.
            why: what the ledger says of the reason.

        Raises:
            NotFound: there is no such version.
            StateError: it serves now, or nothing was online before.
        """

        def change(current: OnlineSet) -> OnlineSet:
            serves = current.copy_of or current.version
            target = serves - 1 if to is None else to
            if target in (serves, current.version):
                raise StateError(f"Version {target} of {strategy!r} serves now.", "Name another one with --to.")
            if target < 1:
                raise StateError(f"Nothing of {strategy!r} was online before.", "See `rollq online history`.")
            found = self.version(strategy, target)
            source = found.copy_of or target
            if source == serves:
                raise StateError(f"Version {target} of {strategy!r} serves now, as {current.version}.", "Name another.")
            return replace(found, copy_of=source, why=why or f"rollback from {current.version} to {target}")

        return self._change(strategy, by, session, change)

    def promote(
        self, strategy: str, by: str, challenger: str, session: str = "", why: str = "", check: Check = no_lease
    ) -> OnlineSet:
        """Make a challenger champion, as a new entry: its newest models serve, the champion becomes a challenger.

        Args:
            strategy: its name.
            by: who or what asked for it.
            challenger: the variant's name.
            session: the first session that it serves; not before that of the current set.
            why: what the ledger says of the reason.
            check: as for ``publish``.

        Raises:
            NotFound: nothing is online, or there is no such challenger.
            StateError: it is the champion.
        """

        def change(current: OnlineSet) -> OnlineSet:
            if challenger == current.champion:
                raise StateError(f"{challenger!r} is the champion of {strategy!r}.", "See `rollq online show`.")
            models = current.challengers.get(challenger)
            if not models:
                known = ", ".join(current.challengers) or "none"
                raise NotFound(
                    f"{strategy!r} has no challenger {challenger!r}.",
                    f"There is: {known}; the champion is {current.champion}.",
                )
            others = {name: found for name, found in current.challengers.items() if name != challenger}
            return replace(
                current,
                champion=challenger,
                models=models,
                challengers={current.champion: current.models, **others},
                copy_of=None,
                why=why or f"promotion of {challenger}",
            )

        return self._change(strategy, by, session, change, check)

    def current(self, strategy: str) -> OnlineSet:
        """The set that serves now.

        Raises:
            NotFound: nothing of this strategy was ever online.
        """
        return self._newest({"strategy": strategy}, f"Nothing of strategy {strategy!r} is online.")

    def currents(self) -> list[OnlineSet]:
        """The set of each strategy that serves now; one that cannot be read is left out, with a warning."""
        found = []
        for strategy in self.strategies():
            try:
                found.append(self.current(strategy))
            except DocumentCorrupted as error:
                log.warning("left out: %s", error)
        return found

    def find(self, strategy: str) -> OnlineSet | None:
        """The set that serves now, if there is one."""
        return self._last({"strategy": strategy})

    def version(self, strategy: str, version: int) -> OnlineSet:
        """One version.

        Raises:
            NotFound: there is no such version.
        """
        query = {"strategy": strategy, "version": version}
        return self._newest(query, f"Strategy {strategy!r} has no online set {version}.")

    def as_of(self, strategy: str, when: str | datetime) -> OnlineSet:
        """The set that served on a session (``YYYY-MM-DD``), or at a time (UTC).

        Raises:
            NotFound: nothing was online then.
        """
        when_field = "session" if isinstance(when, str) else "at"
        missing = f"Nothing of strategy {strategy!r} was online on {when}."
        return self._newest({"strategy": strategy, when_field: {"$lte": when}}, missing)

    def of_round(self, round_id: str) -> OnlineSet | None:
        """The set that a round made, if it made one."""
        with reachable():
            document = self._sets.find_one({"origin": round_id})
        return ONLINE_SETS.read(document) if document else None

    def strategies(self) -> list[str]:
        """Names of all strategies that ever had a set online."""
        with reachable():
            names = [document.get("strategy") for document in self._sets.find({}, {"strategy": 1})]
        return sorted({name for name in names if isinstance(name, str)})

    def history(self, strategy: str) -> list[OnlineSet]:
        """Every version, oldest first."""
        with reachable():
            return [
                ONLINE_SETS.read(document)
                for document in self._sets.find({"strategy": strategy}).sort("version", ASCENDING)
            ]

    def forget(self, strategy: str) -> None:
        """Remove all versions of a strategy; nothing brings them back."""
        with reachable():
            self._sets.delete_many({"strategy": strategy})

    def _change(
        self,
        strategy: str,
        by: str,
        session: str,
        change: Callable[[OnlineSet], OnlineSet],
        check: Check = no_lease,
    ) -> OnlineSet:
        """A new entry that is made of the current one; made again if another one came first."""
        with reachable():
            while True:
                current = self.current(strategy)
                version = current.version + 1
                made = replace(
                    change(current),
                    by=by,
                    # Never before the current set: what it served would change.
                    session=max(session, current.session),
                    mode=current.mode,
                    planned_at=self._store.now(),
                )
                check(sure=True)
                if self._insert(made, version, origin=f"{strategy}:{version}"):
                    return self.version(strategy, version)

    def _insert(self, online: OnlineSet, version: int, origin: str) -> bool:
        """The switch; False if another one took this version, or another gatherer this round: look again.

        Args:
            origin: unique; the round, for the set of a round.
        """
        numbered = replace(online, version=version, at=self._store.now())
        document = {**asdict(numbered), "_id": f"{online.strategy}:{version}", "schema": SCHEMA, "origin": origin}
        try:
            self._sets.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    def _made_later(self, strategy: str, planned_at: datetime | None) -> OnlineSet | None:
        if planned_at is None:
            return None
        return self._last({"strategy": strategy, "planned_at": {"$gt": planned_at}})

    def _latest_version(self, strategy: str) -> int:
        numbered = {"strategy": strategy, "version": {"$gte": 0}}  # compares with numbers alone
        # Only the number is read: an invalid document must not keep the next version from coming.
        latest = self._sets.find(numbered, {"version": 1}).sort("version", DESCENDING).limit(1)
        versions = [document["version"] for document in latest]
        if not all(isinstance(version, int) for version in versions):
            raise DocumentCorrupted(f"Strategy {strategy!r} has a version {versions[0]!r}.", "Remove this document.")
        return max(versions, default=0)

    def _newest(self, query: Document, missing: str) -> OnlineSet:
        found = self._last(query)
        if found is None:
            names = ", ".join(self.strategies()) or "nothing yet: `rollq enqueue TEMPLATE` puts models online"
            raise NotFound(missing, f"Online is or was: {names}.")
        return found

    def _last(self, query: Document) -> OnlineSet | None:
        """The set with the highest version of those that a query finds."""
        with reachable():
            found = list(self._sets.find(query).sort("version", DESCENDING).limit(1))
        return ONLINE_SETS.read(found[0]) if found else None
