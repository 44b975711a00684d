"""Online sets: numbered, immutable versions of the models that serve. The ledger is the list of them.

A version comes online by one insert: the highest version of a strategy is the current one, so there is never a half
of one. A round makes at most one version, however often it is gathered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from tasks.errors import DocumentCorrupted, NotFound
from tasks.store import Document, Store, reachable


@dataclass(frozen=True)
class OnlineModel:
    """A model that serves: its task, its MLflow run, and the test segment it was trained for."""

    task_id: str
    recorder_id: str
    test: tuple[str, str | None]


@dataclass(frozen=True)
class OnlineSet:
    """One version. ``signals`` is ``{recorder_id, artifact, rows, start, end, sha256}``; ``at`` is UTC."""

    strategy: str
    version: int
    pool: str
    round_id: str
    at: datetime
    by: str
    models: tuple[OnlineModel, ...]
    signals: dict[str, Any]
    metrics: dict[str, float]
    gaps: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "at": self.at.isoformat()}


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
            self._sets.create_index([("round_id", ASCENDING)], unique=True)

    def publish(
        self,
        strategy: str,
        pool: str,
        round_id: str,
        by: str,
        models: Sequence[OnlineModel],
        signals: Mapping[str, Any],
        metrics: Mapping[str, float],
        gaps: Sequence[str] = (),
    ) -> tuple[OnlineSet, bool]:
        """Put a set online in one write.

        Returns:
            The set of this round, and whether this call made it (False: the round had one already).
        """
        document: Document = {
            "strategy": strategy,
            "pool": pool,
            "round_id": round_id,
            "by": by,
            "models": [asdict(model) for model in models],
            "signals": dict(signals),
            "metrics": dict(metrics),
            "gaps": list(gaps),
        }
        with reachable():
            while True:
                if made := self.of_round(round_id):
                    return made, False
                version = self._latest_version(strategy) + 1
                try:
                    at = self._store.now()
                    self._sets.insert_one({**document, "_id": f"{strategy}:{version}", "version": version, "at": at})
                except DuplicateKeyError:
                    continue  # another round took this version, or another gatherer this round: look again
                made = self.of_round(round_id)
                if made:
                    return made, True

    def current(self, strategy: str) -> OnlineSet:
        """The set that serves now.

        Raises:
            NotFound: nothing of this strategy was ever online.
        """
        return self._newest({"strategy": strategy}, f"Nothing of strategy {strategy!r} is online.")

    def version(self, strategy: str, version: int) -> OnlineSet:
        """One version.

        Raises:
            NotFound: there is no such version.
        """
        query = {"strategy": strategy, "version": version}
        return self._newest(query, f"Strategy {strategy!r} has no online set {version}.")

    def of_round(self, round_id: str) -> OnlineSet | None:
        """The set that a round made, if it made one."""
        with reachable():
            document = self._sets.find_one({"round_id": round_id})
        return _to_set(document) if document else None

    def strategies(self) -> list[str]:
        """Names of all strategies that ever had a set online."""
        with reachable():
            names = [document.get("strategy") for document in self._sets.find({}, {"strategy": 1})]
        return sorted({name for name in names if isinstance(name, str)})

    def history(self, strategy: str) -> list[OnlineSet]:
        """Every version, oldest first."""
        with reachable():
            return [
                _to_set(document) for document in self._sets.find({"strategy": strategy}).sort("version", ASCENDING)
            ]

    def _latest_version(self, strategy: str) -> int:
        numbered = {"strategy": strategy, "version": {"$gte": 0}}  # compares with numbers alone
        latest = self._sets.find(numbered, {"version": 1}).sort("version", DESCENDING).limit(1)
        versions = [document["version"] for document in latest]
        if not all(isinstance(version, int) for version in versions):
            raise DocumentCorrupted(f"Strategy {strategy!r} has a version {versions[0]!r}.", "Remove this document.")
        return max(versions, default=0)

    def _newest(self, query: Document, missing: str) -> OnlineSet:
        with reachable():
            found = list(self._sets.find(query).sort("version", DESCENDING).limit(1))
        if not found:
            raise NotFound(missing, "See `rollq online show`; `rollq enqueue TEMPLATE` makes one.")
        return _to_set(found[0])


def _to_set(document: Document) -> OnlineSet:
    try:
        return _read(document)
    except (LookupError, TypeError) as error:
        raise DocumentCorrupted(
            f"Online set {document['_id']!r} is corrupted ({type(error).__name__}: {error}).",
            "Put another version online, or restore the document from a backup.",
        ) from error


def _read(document: Document) -> OnlineSet:
    models = tuple(
        OnlineModel(model["task_id"], model["recorder_id"], (model["test"][0], model["test"][1]))
        for model in document["models"]
    )
    names = ("strategy", "version", "pool", "round_id", "at", "by", "signals", "metrics")
    return OnlineSet(**{name: document[name] for name in names}, models=models, gaps=tuple(document["gaps"]))
