"""Celery's Redis transport with a gate: a message that is not rollq's is refused with one line in the log.

Without it, a list entry that is no JSON ends the worker: kombu's error leaves Celery's event loop.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis
from redis.connection import UnixDomainSocketConnection, parse_url
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError

from rollq.tasks.broker.messages import clean
from rollq.tasks.errors import MessageRefused

log = logging.getLogger(__name__)

REFUSED_SECONDS = 3.0  # before a broker that refuses is asked again
# What reading an entry may raise: bytes that are no text, text that is no JSON, JSON that is too deep or has bad types.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


# What of a connection is TCP's, or is said by the URL.
OF_TCP = ("socket_connect_timeout", "socket_keepalive", "socket_keepalive_options")
OF_URL = ("host", "port", "path", "username", "password", "db")


@contextmanager
def _broker_answers() -> Iterator[None]:
    """A broker that has become a replica, or is full, answers and takes nothing: for Celery that is a lost connection,
    which it makes again. Else the worker would end.
    """
    try:
        yield
    except ResponseError as error:
        log.warning("the broker refuses: %s", error)
        # Celery makes a lost connection again without a pause where the first try succeeds, as it does here.
        time.sleep(REFUSED_SECONDS)
        raise ConnectionLost(str(error)) from error


class Channel(redis.Channel):
    """Reads messages; an unreadable one is dropped."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, object]:
        """The connection that the URL describes to redis-py, so that rollq and Celery read it alike."""
        made: dict[str, Any] = super()._connparams(asynchronous)
        url = parse_url(self.connection.client.transport_options["url"])
        wanted = url.pop("connection_class", None)
        if wanted is not None and not issubclass(made["connection_class"], wanted):
            made["connection_class"] = self._watched(wanted) if asynchronous else wanted
        left_out = OF_URL + (OF_TCP if wanted is UnixDomainSocketConnection else ())
        return {**{name: value for name, value in made.items() if name not in left_out}, **url}

    def _watched(self, kind: type[Any]) -> type[object]:
        """``kind``, which tells the poller when it disconnects, as kombu's own connections do."""
        channel = self

        class Watched(kind):  # type: ignore[misc]
            def disconnect(self, *args: object, **kwargs: object) -> None:
                super().disconnect(*args, **kwargs)
                if channel._registered:
                    channel._on_connection_disconnect(self)

        return Watched

    def _brpop_read(self, **options: object) -> object:
        try:
            with _broker_answers():
                return super()._brpop_read(**options)
        except UNREADABLE as error:
            refused = MessageRefused(f"A message was refused: it cannot be read ({type(error).__name__}: {error}).")
            log.warning("%s", refused)
            # kombu asks again at once; False would mean that the queue is empty.
            return True  # an entry was taken from the list

    def _queue_bind(self, *args: object) -> None:
        with _broker_answers():
            super()._queue_bind(*args)


class Transport(redis.Transport):
    """Hands only clean messages on to Celery."""

    Channel = Channel

    def register_with_event_loop(self, *args: object) -> None:
        """Celery begins to listen."""
        with _broker_answers():
            super().register_with_event_loop(*args)

    def _deliver(self, message: object, queue: str) -> None:
        try:
            made = clean(message, queue)
        except MessageRefused as error:
            log.warning("%s", error)
            return
        super()._deliver(made, queue)
