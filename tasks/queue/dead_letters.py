"""Dead letters: documents of tasks that rollq cannot use, written down as FAILED so that they block no other task.

Others can write to the database too, by mistake or not. A document is looked at where it is decoded and where a write
on it fails, and nowhere else: valid ones cost nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from bson.errors import BSONError
from pymongo.errors import OperationFailure

from rollq.tasks.errors import DocumentCorrupted
from rollq.tasks.mongo.client import Document
from rollq.tasks.queue.states import TERMINAL
from rollq.tasks.queue.task_store import TaskStore
from rollq.tasks.queue.validation import dead_lettering, problem

log = logging.getLogger(__name__)

# What an invalid document leads to: Python's errors, or a refusal of the server to compute with it.
SIGNS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, BSONError, DocumentCorrupted)
Decoded = TypeVar("Decoded")


class DeadLetters:
    """Finds the invalid documents among tasks that gave a sign, and dead-letters them."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    def sift(self, ids: Sequence[str]) -> list[str]:
        """Dead-letter the invalid documents among these unfinished tasks; returns their ids."""
        found = self._store.tasks.find({"_id": {"$in": list(ids)}, "status": {"$nin": sorted(TERMINAL)}})
        invalid = [(document, why) for document in found if (why := problem(document))]
        for document, why in invalid:
            log.warning("%s", DocumentCorrupted(f"Task {document['_id']} is dead-lettered as FAILED: {why}."))
            # Only if it is still as it was read: state and fence are in the filter.
            self._store.tasks.replace_one(*dead_lettering(document, self._store.now()))
        return [str(document["_id"]) for document, _ in invalid]

    def decode(self, documents: Iterable[Document], read: Callable[[Document], Decoded]) -> list[Decoded]:
        """What ``read`` makes of the documents; an invalid one is dead-lettered and left out.

        Raises:
            DocumentCorrupted: one cannot be read though it is valid.
        """
        made = []
        for document in documents:
            try:
                made.append(read(document))
            except SIGNS as error:
                ident = document["_id"]
                self._bury(
                    ident, DocumentCorrupted(f"Task {ident!r} cannot be read ({type(error).__name__}: {error}).")
                )
        return made

    def attempt(self, ident: str, write: Callable[[], Decoded]) -> Decoded | None:
        """What a write on one task returns; None if it failed because the document is invalid: it is dead-lettered.

        Raises:
            OperationFailure: the store refuses it though the document is valid.
        """
        try:
            return write()
        except (OperationFailure, *SIGNS) as error:
            self._bury(ident, error)
            return None

    def attempt_many(self, ids: Sequence[str], write: Callable[[Sequence[str]], int]) -> int:
        """What a write on many tasks returns; if the store refuses it, that on those of them that are valid.

        Raises:
            OperationFailure: the store refuses it though the documents are valid.
        """
        try:
            return write(ids)
        except OperationFailure:
            invalid = set(self.sift(ids))
            if not invalid:
                raise
            return write([ident for ident in ids if ident not in invalid])

    def each(self, ids: Sequence[str], act: Callable[[str], bool]) -> list[str]:
        """Those of the ids for which ``act`` is true: each task by itself, so that an invalid one stops no other."""
        return [ident for ident in ids if self.attempt(ident, partial(act, ident))]

    def _bury(self, ident: str, error: Exception) -> None:
        """Dead-letter a document that gave a sign; raises the error again if the document is valid."""
        if self.sift([ident]):
            return
        found = self._store.tasks.find_one({"_id": ident})
        why = problem(found) if found else "it is gone"
        if not why:
            # A valid document cannot be to blame, and a mistake must not be hidden as corruption.
            raise error  # the store's refusal, or the caller's own mistake
        log.warning("task %s is left out: %s (%s)", ident, why, error)  # if it is finished, it stays as it is
