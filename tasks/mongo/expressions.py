"""The pieces of which conditional writes are made: the server's clock, and values that are taken as they are."""

from __future__ import annotations

from rollq.tasks.mongo.client import Document

NOW = "$$NOW"  # the server's clock: a process's own clock is never written

Write = tuple[Document, list[Document]]  # filter and update of a conditional write


def literal(value: object) -> Document:
    """``value`` as it is; without this, a text that starts with ``$`` would be read as the name of a field."""
    return {"$literal": value}


def later(seconds: float) -> Document:
    """The server's time plus ``seconds``."""
    return {"$dateAdd": {"startDate": NOW, "unit": "millisecond", "amount": int(seconds * 1000)}}
