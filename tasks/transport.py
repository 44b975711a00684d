"""Celery's Redis transport with a gate: a message that is not rollq's is refused with one line in the log.

Without it, a list entry that is no JSON ends the worker: kombu's error leaves Celery's event loop.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis

from tasks.errors import MessageRefused
from tasks.messages import clean

log = logging.getLogger(__name__)

# What reading an entry may raise: bytes that are no text, text that is no JSON, JSON that is too deep or has bad types.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


class Channel(redis.Channel):
    """Reads messages; an unreadable one is dropped."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except UNREADABLE as error:
            refused = MessageRefused(f"A message was refused: it cannot be read ({type(error).__name__}: {error}).")
            log.warning("%s", refused)
            return True  # an entry was taken from the list


class Transport(redis.Transport):
    """Hands only clean messages on to Celery."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        try:
            made = clean(message, queue)
        except MessageRefused as error:
            log.warning("%s", error)
            return
        super()._deliver(made, queue)
