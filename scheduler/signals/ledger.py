"""The ledger of signals: what was published for which sessions, when, and by which online sets. Entries never change.

A later entry for the same sessions (a late revision of prices) goes before an earlier one, which stays readable as of
its date.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pandas as pd
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError

from rollq.scheduler.signals.files import read_signals, write_signals
from rollq.tasks.backend import Backend
from rollq.tasks.errors import ArtifactCorrupted, DocumentCorrupted, NotFound
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Reader
from rollq.tasks.predictions.session_days import on_sessions
from rollq.tasks.tracking.artifacts.manifest import safe_name
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.run_tags import KIND, STRATEGY

FOLDER = "signals"


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What signals are about.

    Args:
        number: it counts the entries of a strategy: the number of those that the caller has seen, plus 1.
        session: the one on which they are published.
        days: the sessions that they cover; of a session without a row they say that there is none.
        gaps: sessions, or instruments on a session, that were to be covered and are not.
        versions: the online sets that served on these sessions.
        pool: the MLflow experiment that holds them.
        ahead: sessions that were still to come are meant: their features were known.
    """

    strategy: str
    number: int
    session: str
    days: tuple[str, ...]
    gaps: tuple[str, ...]
    versions: tuple[int, ...]
    pool: str
    by: str
    why: str
    ahead: bool = False


@dataclass(frozen=True, kw_only=True)
class SignalEntry(Publication):
    """What was published: where it is, its SHA-256, and when (UTC)."""

    rows: int
    sha256: str
    recorder_id: str
    artifact: str
    at: datetime

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {**asdict(self), "at": self.at.isoformat()}


class SignalLedger:
    """The published signals of a backend. The only code that reads or writes them in the store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def _entries(self) -> MongoCollection[Document]:
        return self._backend.store.collection("signals")

    def ensure_indexes(self) -> None:
        """Make the index that gives each number to one entry."""
        with reachable():
            self._entries.create_index([("strategy", ASCENDING), ("number", ASCENDING)], unique=True)

    def publish(self, publication: Publication, signals: pd.DataFrame, check: Check = no_lease) -> SignalEntry | None:
        """Publish signals in one write, as the entry with the number of the publication.

        Args:
            publication: strategy, number, sessions, and what the entry says of them.
            signals: column ``score``, indexed (datetime, instrument).
            check: called before each write; raises LeaseLost if the caller's lease is gone.

        Returns:
            The entry; None if another one took this number: look again what is there.
        """
        check()
        strategy, number = publication.strategy, publication.number
        recorder = self._recorder(strategy, publication.pool)
        # A name of its own for each try: a file that no entry names is never written over by one that is published.
        name = f"{publication.session}-{uuid4().hex[:8]}.parquet"
        with tempfile.TemporaryDirectory(prefix="rollq-") as folder:
            path = Path(folder) / name
            # The file first, then the entry: a process that is killed in between leaves a file that is never referred
            # to.
            sha256 = write_signals(signals, path)
            check()
            # Past the manifest of the run, which has one writer: two may publish at once. The entry keeps the checksum.
            recorder.storage.write({f"{FOLDER}/{name}": path.read_bytes()})
        document: Document = {
            "_id": f"{strategy}:{number}",
            "schema": SCHEMA,
            **asdict(publication),
            "rows": len(signals),
            "sha256": sha256,
            "recorder_id": recorder.id,
            "artifact": f"{FOLDER}/{name}",
            "at": self._backend.store.now(),
        }
        check(sure=True)
        with reachable():
            try:
                self._entries.insert_one(document)
            except DuplicateKeyError:
                return None
        return self.entries(strategy)[number - 1]  # as it stands there: a time has no microseconds

    def entries(self, strategy: str, as_of: datetime | None = None) -> list[SignalEntry]:
        """All entries of a strategy, oldest first.

        Args:
            strategy: its name.
            as_of: leave out what was published later than this time (UTC).
        """
        query: Document = {"strategy": strategy, **({"at": {"$lte": as_of}} if as_of else {})}
        with reachable():
            return [_to_entry(document) for document in self._entries.find(query).sort("number", ASCENDING)]

    def forget(self, strategy: str) -> None:
        """Remove all entries of a strategy; the files that they name stay."""
        with reachable():
            self._entries.delete_many({"strategy": strategy})

    def published(self, strategy: str) -> set[str]:
        """The sessions that were published or noted as a gap."""
        return {day[:10] for entry in self.entries(strategy) for day in (*entry.days, *entry.gaps)}

    def last_day(self, strategy: str) -> str:
        """The last session that was published or noted as a gap; empty if there is none.

        One that is dated later than it is anywhere was a mistake of the data, and is no last session, unless sessions
        ahead are meant.
        """
        tomorrow = f"{self._backend.store.now() + timedelta(days=1):%Y-%m-%d}"
        found = ((day[:10], entry.ahead) for entry in self.entries(strategy) for day in (*entry.days, *entry.gaps))
        return max((day for day, ahead in found if ahead or day <= tomorrow), default="")

    def read(self, strategy: str, days: Collection[str] | None = None, as_of: datetime | None = None) -> pd.DataFrame:
        """The signals of a strategy, each session as it was published last.

        Args:
            strategy: its name.
            days: only these sessions; None: all.
            as_of: as they were at this time (UTC).

        Returns:
            A frame with the column ``score``, unique and sorted by (datetime, instrument).

        Raises:
            NotFound: nothing was published.
            ArtifactMissing, ArtifactCorrupted: an artifact is not what was published.
        """
        entries = self.entries(strategy, as_of)
        parts, seen = [], set[str]()
        for entry in reversed(entries):
            wanted = {day for day in entry.days if day not in seen and (days is None or day in days)}
            if wanted:
                frame = self.load(entry)
                parts.append(frame[on_sessions(frame, wanted)])
                seen |= wanted
        if not parts:
            raise NotFound(f"No signals of {strategy!r} were published.", "Run `rollq routine run STRATEGY`.")
        return pd.concat(parts).sort_index()

    def load(self, entry: SignalEntry) -> pd.DataFrame:
        """The signals of one entry. Raises as ``read``."""
        recorder = find_run(entry.recorder_id, self._backend.settings.mlflow_uri)
        content = recorder.storage.read(safe_name(entry.artifact))
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise ArtifactCorrupted(
                f"The signals {entry.artifact!r} of run {entry.recorder_id} are not what was published.",
                "Restore the artifact from a backup.",
            )
        return read_signals(BytesIO(content))

    def _recorder(self, strategy: str, pool: str) -> MLflowRecorder:
        """The run that holds the signals of a strategy: one for all of them."""
        experiment = MLflowExperiment.open(pool, self._backend.settings.mlflow_uri)
        with reachable():
            known = list(self._entries.find({"strategy": strategy, "pool": pool}).sort("number", DESCENDING).limit(1))
        with suppress(NotFound):  # it was deleted: what it holds is read again once it is restored
            if known:
                return experiment.get_recorder(known[0]["recorder_id"])
        tags = {KIND: "published signals", STRATEGY: strategy}
        recorder = experiment.create_recorder(f"published signals {strategy}", tags, start=True)
        # Ended at once, because artifacts may be added to a run that has ended, and a run that shows RUNNING would be
        # closed as a stray one.
        recorder.end_run()
        return recorder


def _to_entry(document: Document) -> SignalEntry:
    entry = SIGNALS.read(document)
    try:
        for day in entry.days:
            date.fromisoformat(day)
    except ValueError as error:
        raise DocumentCorrupted(f"The entry {document['_id']!r} of the signals is invalid: {error}.", FIX) from error
    return entry


FIX = "Restore the document from a backup."
SIGNALS = Reader("signals", "entry of the signals", SignalEntry, FIX)
