"""A guard around the task pools: a corrupted document is set aside where it is met; no caller sees a bare KeyError."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from bson.errors import BSONError
from pymongo.errors import OperationFailure

from tasks.errors import DocumentCorrupted, Unavailable
from tasks.reader import TaskReader
from tasks.soundness import flaw, mended
from tasks.states import TERMINAL
from tasks.store import Document, reachable

log = logging.getLogger(__name__)

# What a document that is not as it should be leads to: Python's errors, or a refusal of the server to compute with it.
SIGNS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, BSONError, DocumentCorrupted)
# What workers, sweeps and people do with documents that are there.
GUARDED = (
    *("claim", "claim_among", "renew", "holds", "commit", "fail", "release"),
    *("reclaim", "next_to_ring", "pools_rung", "rung_before", "holders", "wants", "has_active"),
    *("cancel", "retry", "let_go", "prioritize", "hold", "unhold", "remove"),
)
NO_DEFINITION = {"definition": None}
Class = TypeVar("Class", bound=type[TaskReader])


def guarded(cls: Class) -> Class:
    """Guard the methods of a class: after a sign of corruption, set aside what is corrupted and try once more."""
    for name in GUARDED:
        setattr(cls, name, _guard(getattr(cls, name)))
    return cls


def _guard(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(pools: TaskReader, *args: Any, **options: Any) -> Any:
        try:
            return method(pools, *args, **options)
        except SIGNS as error:
            if not set_aside(pools):
                raise  # the caller's own mistake
            log.debug("%s is tried again after %r", method.__name__, error)
        except Unavailable as error:
            if not isinstance(error.__cause__, OperationFailure) or not set_aside(pools):
                raise
        try:
            return method(pools, *args, **options)
        except SIGNS as error:
            raise DocumentCorrupted(
                f"The task store holds a document that rollq cannot use ({type(error).__name__}: {error}).",
                "Look at it with a MongoDB shell.",
            ) from error

    return call


def set_aside(pools: TaskReader) -> list[str]:
    """Write down every corrupted document among the unfinished tasks as FAILED, and empty every corrupted window.

    Returns:
        The ids of these documents.

    Raises:
        Unavailable: the store does not answer.
    """
    tasks, windows = pools.documents()
    with reachable():
        now = pools.now()
        unfinished = tasks.find({"status": {"$nin": sorted(TERMINAL)}})
        bad = [(document, why) for document in unfinished if (why := flaw({**NO_DEFINITION, **document}, whole=True))]
        for document, why in bad:
            log.warning("%s", DocumentCorrupted(f"Task {document['_id']} is set aside as FAILED: {why}."))
            same = {"_id": document["_id"]}
            if isinstance(document.get("fence"), int):  # if it moved since, whoever moved it is at work
                same["fence"] = document["fence"]
            tasks.replace_one(same, mended(document, why, now))
        broken = [window for window in windows.find({}) if not _is_window(window)]
        for window in broken:
            log.warning("%s", DocumentCorrupted(f"The window {window['_id']!r} is emptied and made anew."))
            pool, _, queue = str(window["_id"]).partition("\n")
            windows.replace_one({"_id": window["_id"]}, {"pool": pool, "queue": queue, "blocks": []})
    return [str(document["_id"]) for document in (*(document for document, _ in bad), *broken)]


def _is_window(window: Document) -> bool:
    whole = ("priority", "first", "last", "n")
    blocks = window.get("blocks")
    return (
        isinstance(window.get("pool"), str)
        and isinstance(window.get("queue"), str)
        and isinstance(blocks, list)
        and all(isinstance(block, dict) and all(isinstance(block.get(name), int) for name in whole) for block in blocks)
    )
