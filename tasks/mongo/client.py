"""The connection to MongoDB: one client per process, majority writes, and the server's clock."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import Unavailable

Document = dict[str, Any]
SOCKET_SECONDS = 60.0  # a server that is silent for this long is given up; no operation of rollq takes so long
CLOCK_SECONDS = 30.0  # the server's clock is asked again after this long; in between the monotonic clock carries it


class Store:
    """A database of tasks, rounds, online sets. Safe to use after a fork: each process opens its own connection."""

    def __init__(self, uri: str, database: str) -> None:
        self._uri = uri
        self._name = database
        self._pid = 0
        self._client: MongoClient[Document] | None = None
        self._clock: tuple[float, datetime] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Store:
        """The store that ``settings`` name.

        Raises:
            Unavailable: no URI is set.
        """
        if not settings.mongo_uri:
            raise Unavailable("No task store is configured.", "Start one with `rollq up`, or set ROLLQ_MONGO_URI.")
        return cls(settings.mongo_uri, settings.mongo_database)

    def collection(self, name: str) -> Collection[Document]:
        """A collection whose writes are acknowledged by a majority and journaled."""
        return self._database()[name].with_options(write_concern=WriteConcern(w="majority", j=True))

    def now(self) -> datetime:
        """The server's time, UTC, at most a few milliseconds off; a wrong clock of this machine does not matter."""
        if self._clock is None or time.monotonic() - self._clock[0] > CLOCK_SECONDS:
            # Before the question, so that the way there and back is counted in: ahead by milliseconds, never behind.
            asked = time.monotonic()
            answer = self._database().command("hello")["localTime"]
            self._clock = (asked, answer.astimezone(UTC))
        return self._clock[1] + timedelta(seconds=time.monotonic() - self._clock[0])

    def ping(self) -> None:
        """Ask the server for a sign of life.

        Raises:
            Unavailable: there is none within a few seconds.
        """
        with reachable():
            self._database().command("ping")

    def close(self) -> None:
        """Close the connection of this process; the next use opens it again."""
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._client, self._clock = None, None

    def close_when_dropped(self) -> None:
        """Close the connection once nothing holds this store any more: another one has taken its place."""
        if self._client is not None:
            weakref.finalize(self, self._client.close)

    def _database(self) -> Database[Document]:
        """The database over this process's own connection: one from before a fork must not be used."""
        if self._client is None or self._pid != os.getpid():
            self._client = MongoClient(
                self._uri,
                tz_aware=True,
                serverSelectionTimeoutMS=10_000,
                socketTimeoutMS=int(SOCKET_SECONDS * 1000),  # without it a cut cable hangs its process
                appname="rollq",
            )
            self._pid, self._clock = os.getpid(), None
        return self._client[self._name]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Operations of the block end after so many seconds together, with ``Unavailable`` if the server is silent."""
    with pymongo.timeout(seconds):
        yield


@contextmanager
def reachable() -> Iterator[None]:
    """Turn pymongo's connection errors into one that says what to do.

    Raises:
        Unavailable: the server does not answer or refuses the login.
    """
    try:
        yield
    except ConnectionFailure as error:
        raise Unavailable(
            f"The task store does not answer: {str(error).split(',')[0]}.",
            "Check ROLLQ_MONGO_URI and that MongoDB runs.",
        ) from error
    except OperationFailure as error:
        # Both are OperationFailures to pymongo.
        if isinstance(error, DuplicateKeyError | BulkWriteError):
            raise  # an answer, not a failure
        if error.code not in (13, 18):  # Unauthorized, AuthenticationFailed
            raise Unavailable(f"The task store refuses: {error}.", "Look at its log.") from error
        raise Unavailable("The task store refuses the login.", "Check user and password in ROLLQ_MONGO_URI.") from error


def is_of_store(error: Unavailable) -> bool:
    """Whether it is the task store that does not answer, and not another server."""
    return isinstance(error.__cause__, PyMongoError)
