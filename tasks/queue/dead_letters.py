"""A guard around the task pools: a corrupted document is set aside where it is met; no caller sees a bare KeyError."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bson.errors import BSONError
from pymongo.errors import OperationFailure

from rollq.tasks.errors import DocumentCorrupted, Unavailable
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.reader import TaskReader
from rollq.tasks.queue.states import TERMINAL
from rollq.tasks.queue.validation import dead_lettering, problem

log = logging.getLogger(__name__)

# What a document that is not as it should be leads to: Python's errors, or a refusal of the server to compute with it.
SIGNS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, BSONError, DocumentCorrupted)
# What works on one document, or only reads: nothing is lost if it is done again.
GUARDED = (
    *("claim", "claim_among", "renew", "holds", "commit", "fail", "release", "excuse"),
    *("next_to_ring", "pools_rung", "rung_before", "holders", "wants", "has_active"),
)
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


def each(pools: TaskReader, ids: Sequence[str], act: Callable[[str], bool]) -> list[str]:
    """Those of the ids for which ``act`` is true: each task by itself.

    One whose document is corrupted is set aside as FAILED, before or in between; the others are acted on.

    Raises:
        Unavailable: the store does not answer.
    """
    set_aside(pools, ids)
    return [ident for ident in ids if _apart(pools, ident, act)]


def _apart(pools: TaskReader, ident: str, act: Callable[[str], bool]) -> bool:
    try:
        return act(ident)
    except (OperationFailure, *SIGNS) as error:
        with reachable():
            found = pools.documents()[0].find_one({"_id": ident})
        why = problem(found) if found else ""
        if not why:
            raise  # the store's refusal, or the caller's own mistake
        if not set_aside(pools, [ident]):  # it is finished: it stays as it is
            log.warning("task %s is left out: %s (%s)", ident, why, error)
        return False


def set_aside(pools: TaskReader, ids: Sequence[str] | None = None) -> list[str]:
    """Write down every corrupted document among the unfinished tasks as FAILED, and empty every corrupted window.

    Args:
        ids: only these tasks, and no window.

    Returns:
        The ids of these documents.

    Raises:
        Unavailable: the store does not answer.
    """
    tasks, windows = pools.documents()
    with reachable():
        now = pools.now()
        query: Document = {"status": {"$nin": sorted(TERMINAL)}}
        unfinished = tasks.find(query if ids is None else {**query, "_id": {"$in": list(ids)}})
        bad = [(document, why) for document in unfinished if (why := problem(document))]
        for document, why in bad:
            log.warning("%s", DocumentCorrupted(f"Task {document['_id']} is dead-lettered as FAILED: {why}."))
            tasks.replace_one(*dead_lettering(document, now))
        broken = [window for window in windows.find({}) if not _is_window(window)] if ids is None else []
        for window in broken:
            log.warning("%s", DocumentCorrupted(f"The window {window['_id']!r} is emptied and made anew."))
            pool, _, queue = str(window["_id"]).partition("\n")
            windows.replace_one({"_id": window["_id"]}, {"schema": SCHEMA, "pool": pool, "queue": queue, "blocks": []})
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
