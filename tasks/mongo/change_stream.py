"""Waiting for a change in the store instead of asking again and again: MongoDB's change streams."""

from __future__ import annotations

import contextlib
import logging
import time
from types import TracebackType
from typing import Any

from pymongo.errors import PyMongoError

from rollq.tasks.mongo.client import Store

log = logging.getLogger(__name__)

# A change on another machine is seen at once. Without change streams (a standalone mongod has none) it is asked for
# this often.
POLL_SECONDS = 0.5
AWAIT_MS = 200  # how long one question to a change stream lasts
EVENTS = [{"$match": {"operationType": {"$in": ["insert", "update", "replace", "delete"]}}}]


class Changes:
    """Tells when something in a collection has changed; a context manager.

    A change between two calls of ``wait`` is not missed.
    """

    def __init__(self, store: Store, collection: str) -> None:
        self._store = store
        self._collection = collection
        self._stream: Any = None

    def __enter__(self) -> Changes:
        """Listen from now on."""
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to listen."""
        self._close()

    def wait(self, seconds: float) -> bool:
        """Wait for a change, for at most ``seconds``; whether there was one, or may have been one."""
        if self._stream is None:
            # "May have been one": the caller looks itself, which is right with and without change streams.
            time.sleep(min(seconds, POLL_SECONDS))
            return True
        try:
            return self._next(seconds)
        except PyMongoError as error:
            log.debug("no more change stream, the store is asked now and then: %s", error)
            self._close()
            return True

    def _next(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._stream.try_next() is not None:
                return True
        return False

    def _listen(self) -> None:
        try:
            self._stream = self._store.collection(self._collection).watch(EVENTS, max_await_time_ms=AWAIT_MS)
        except PyMongoError as error:
            log.debug("no change stream here, the store is asked now and then: %s", error)

    def _close(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with contextlib.suppress(PyMongoError):  # the server is gone, and the stream with it
                stream.close()
