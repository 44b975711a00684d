"""Creating tasks: definitions become documents, once for each pool and key."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from rollq.tasks.errors import DocumentCorrupted, TemplateError
from rollq.tasks.identity import IDENTITY, PLACES, canonical, places_of, plain_key, task_id
from rollq.tasks.labels import check_label
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.admission import Attachment
from rollq.tasks.queue.documents import TASKS, Options, new_document
from rollq.tasks.queue.operations import TaskOperations
from rollq.tasks.queue.stager import TaskStager
from rollq.tasks.queue.task import Created
from rollq.tasks.queue.task_store import CHUNK, TaskStore
from rollq.tasks.resources import Resources
from rollq.tasks.tracking.runs.deleted_runs import DeletedRuns

DUPLICATE_KEY = 11000


class TaskCreator:
    """Puts new tasks into pools."""

    def __init__(
        self, store: TaskStore, stager: TaskStager, deleted_runs: DeletedRuns, operations: TaskOperations
    ) -> None:
        self._store = store
        self._stager = stager
        self._deleted_runs = deleted_runs
        self._operations = operations

    def create_tasks(
        self,
        pool: str,
        definitions: Iterable[Mapping[str, Any]],
        *,
        priority: int = 0,
        queue: str = "default",
        held: bool = False,
        requested: Mapping[str, Any] | None = None,
        time_limit: float | None = None,
        attachment: Attachment | None = None,
    ) -> Created:
        """Put rolling tasks into a pool; those that are there already (same key) stay as they are.

        One whose run a person has deleted is trained anew.

        Args:
            priority: higher is sooner.
            held: keep the new tasks from being claimed until ``unhold``.
            requested: processors, GPUs, memory that a worker must have: ``{cpu, gpu, mem_gb}``.
            time_limit: seconds that an attempt may take; None: as long as it likes.
            attachment: the new tasks belong to a backfill; they are held.

        Raises:
            TemplateError: a definition cannot be stored as JSON, or the requested resources make no sense.
            Unavailable: the store does not answer.
        """
        held = held or attachment is not None
        check_label(pool, "pool")
        options = Options(priority, queue, held, Resources.of(requested), time_limit)
        with reachable():
            now = self._store.now()
            documents = _documents(pool, definitions, now, options, attachment)
            self._store.pools.update_one(
                {"_id": pool}, {"$setOnInsert": {"schema": SCHEMA, "created_at": now}}, upsert=True
            )
            # A task that was removed and is made anew begins above every fence that it had: a worker that held it then
            # is refused.
            floor = self._fence_floor(pool)
            for document in documents if floor else ():
                document["fence"] = document["history"][0]["fence"] = floor
            batches = (documents[at : at + CHUNK] for at in range(0, len(documents), CHUNK))
            new = [document for batch in batches for document in self._insert(batch)]
            if len(new) < len(documents):
                self._follow_files(documents)
            if (risen := self._fence_floor(pool)) > floor:  # tasks were removed in between, perhaps these
                ids = [document["_id"] for document in new]
                self._store.tasks.update_many(
                    {"_id": {"$in": ids}, "fence": {"$lt": risen}}, {"$set": {"fence": risen}}
                )
            # The tasks first, then their blocks: killed in between, they are found by the stager's search, once its
            # blocks are used up.
            self._stager.add(pool, queue, [] if held else [(priority, document["seq"]) for document in new])
        if len(new) < len(documents):
            self._train_anew([document["_id"] for document in documents], held)
        return Created(tuple(document["_id"] for document in documents), len(new))

    def _train_anew(self, ids: Sequence[str], held: bool) -> None:
        """Let tasks wait again whose run was deleted, unless they have another one since."""
        lost = self._deleted_runs.of_tasks(ids)
        if not lost:
            return
        there = self._store.tasks.find({"_id": {"$in": list(lost)}}, {"result.recorder_id": 1})
        gone = [one["_id"] for one in there if (one.get("result") or {}).get("recorder_id") == lost[one["_id"]]]
        self._operations.retry(gone, "its run was deleted", done=True, held=held, any_code=False)
        self._deleted_runs.forget(list(lost))

    def _follow_files(self, documents: Sequence[Document]) -> None:
        """Let tasks that were there find their files where they are now: a place is no part of what a task is."""
        now = {one["_id"]: places_of(one["definition"]) for one in documents}
        fields = {f"definition.dataset.kwargs.{name}": 1 for name in PLACES}
        for start in range(0, len(documents), CHUNK):
            part = [one["_id"] for one in documents[start : start + CHUNK] if now[one["_id"]]]
            there = {
                one["_id"]: one.get("definition", {}) for one in self._store.tasks.find({"_id": {"$in": part}}, fields)
            }
            moved = [
                UpdateOne(
                    {"_id": ident}, {"$set": {f"definition.dataset.kwargs.{k}": v for k, v in now[ident].items()}}
                )
                for ident in part
                if ident in there and places_of({IDENTITY: {}, **there[ident]}) != now[ident]
            ]
            if moved:
                self._store.tasks.bulk_write(moved, ordered=False)

    def _insert(self, documents: list[Document]) -> list[Document]:
        """Insert those that are not there yet; returns them."""
        # Reversed, so that of two equal definitions in one call the first one counts.
        unique = {document["_id"]: document for document in reversed(documents)}
        try:
            self._store.tasks.insert_many(list(unique.values()), ordered=False)
        except DuplicateKeyError as error:  # of the whole command: the store's index is at odds with its documents
            raise DocumentCorrupted(f"The store cannot tell which tasks it has: {error}.", "Repair it.") from error
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if any(failure["code"] != DUPLICATE_KEY for failure in failed):
                raise
            # A duplicate key is the answer, not an error: another creator, or an earlier call, made the same task.
            there = {failure["index"] for failure in failed}
            return [document for position, document in enumerate(unique.values()) if position not in there]
        return list(unique.values())

    def _fence_floor(self, pool: str) -> int:
        """The fence that new tasks of a pool start from."""
        found = (self._store.pools.find_one({"_id": pool}, {"fence": 1}) or {}).get("fence", 0)
        return found if isinstance(found, int) else 0


def _documents(
    pool: str, definitions: Iterable[Mapping[str, Any]], now: datetime, options: Options, attachment: Attachment | None
) -> list[Document]:
    """The documents of new tasks in their order, each with its key."""
    seq = time.time_ns() // 1_000  # orders tasks of one priority; those of two creators may mix, without harm
    made = []
    for position, definition in enumerate(definitions):
        if not isinstance(definition, Mapping):
            raise TemplateError(f"a definition is a mapping, not a {type(definition).__name__}.", "See RollingGen.")
        plain = canonical(definition)
        key = plain_key(plain)
        document = new_document(task_id(pool, key), pool, key, plain, now, seq + position, options)
        # Read as it will be read: what would be dead-lettered later is refused now, and named.
        if why := TASKS.problem(document):
            raise TemplateError(f"the definition cannot be used: {why}.", "See docs/reference/template.md.")
        made.append({**document, **(attachment.fields(position) if attachment else {})})
    return made
