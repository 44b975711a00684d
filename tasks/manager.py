"""TaskManager: holds task pools in MongoDB. The only code that reads or writes tasks there.

Every change is one conditional write on one document, with the expected state and fence in the filter; the number of
modified documents names the winner (``docs/decisions/portable-claim.md`` says why not ``find_one_and_update``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import BulkWriteError

from tasks.documents import NOW, fence_after, history_after, later, literal, new_document, to_claim
from tasks.errors import LeaseLost
from tasks.identity import canonical, task_id, task_key
from tasks.reader import TaskReader
from tasks.states import ACTIVE, TRANSITIONS, TaskState, check_transition
from tasks.store import Document, reachable
from tasks.task import Claim, Created, Task, TaskError

BATCH = 1_000  # documents per bulk write
CANDIDATES = 8  # waiting tasks looked at per claim; one of the first few is tried, so that workers seldom collide
DUPLICATE_KEY = 11000
WAITING, RUNNING = TaskState.WAITING, TaskState.RUNNING


class TaskManager(TaskReader):
    """The task pools of a store.

    Args:
        store: the MongoDB database.
        settings: lease length, attempts, backoff and losses allowed.
    """

    def ensure_indexes(self) -> None:
        """Make the indexes that identity, claims, rounds and sweeps rest on; nothing happens where they exist."""
        with reachable():
            self._tasks.create_index([("pool", ASCENDING), ("key", ASCENDING)], unique=True)
            waiting = [("pool", ASCENDING), ("status", ASCENDING), ("rung", ASCENDING)]
            self._tasks.create_index([*waiting, ("priority", DESCENDING), ("seq", ASCENDING)])
            self._tasks.create_index([("rounds", ASCENDING), ("status", ASCENDING)])
            self._tasks.create_index([("status", ASCENDING), ("lease.expires_at", ASCENDING)])

    # -- creating -----------------------------------------------------------------------------------------------------

    def create_tasks(
        self,
        pool: str,
        definitions: Iterable[Mapping[str, Any]],
        *,
        priority: int = 0,
        queue: str = "default",
        held: bool = False,
    ) -> Created:
        """Put rolling tasks into a pool; those that are there already (same key) stay as they are.

        Args:
            held: keep the new tasks from being claimed until ``unhold``.

        Raises:
            TemplateError: a definition cannot be stored as JSON.
            Unavailable: the store does not answer.
        """
        seq = time.time_ns() // 1_000
        documents: list[Document] = []
        with reachable():
            now = self._store.now()
            for position, definition in enumerate(definitions):
                plain = canonical(definition)
                key = task_key(plain)
                ident = task_id(pool, key)
                documents.append(new_document(ident, pool, key, plain, now, seq + position, priority, queue, held))
            self._pools.update_one({"_id": pool}, {"$setOnInsert": {"created_at": now}}, upsert=True)
            new = sum(self._insert(documents[at : at + BATCH]) for at in range(0, len(documents), BATCH))
        return Created(tuple(document["_id"] for document in documents), new)

    def _insert(self, documents: list[Document]) -> int:
        unique = list({document["_id"]: document for document in documents}.values())
        try:
            return len(self._tasks.insert_many(unique, ordered=False).inserted_ids)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if any(failure["code"] != DUPLICATE_KEY for failure in failed):
                raise
            return len(unique) - len(failed)

    # -- claims -------------------------------------------------------------------------------------------------------

    def claim(
        self, pool: str, worker: str, queues: Sequence[str] = ("default",), wanted: str | None = None
    ) -> Claim | None:
        """Take a waiting task: ``wanted`` if it can be had, else the best one of the pool's window.

        Returns:
            The claim, or None if nothing can be claimed now.
        """
        ready = {"status": WAITING, "held": False, "queue": {"$in": list(queues)}}
        with reachable():
            if wanted and (claim := self._try_claim(wanted, {**ready, "pool": pool}, worker)):
                return claim
            for window in ({"rung": True}, {}):  # the small set of tasks that were rung first: STACK's cost of a claim
                while candidates := self._candidates({**ready, "pool": pool, **window}):
                    chosen = random.choice(candidates)  # noqa: S311 - spreads workers, protects nothing
                    if claim := self._try_claim(chosen, ready, worker):
                        return claim
        return None

    def _candidates(self, query: Document) -> list[str]:
        ready = {**query, "not_before": {"$lte": self._store.now()}}
        order = [("priority", DESCENDING), ("seq", ASCENDING)]
        found = list(self._tasks.find(ready, {"priority": 1}).sort(order).limit(CANDIDATES))
        return [task["_id"] for task in found if task["priority"] == found[0]["priority"]]

    def _try_claim(self, ident: str, ready: Document, worker: str) -> Claim | None:
        changes = {
            "lease": {"worker": literal(worker), "expires_at": later(self._settings.lease_seconds)},
            "attempts": {"$add": ["$attempts", 1]},
            "rung": False,
            "started_at": NOW,
        }
        query = {**ready, "_id": ident, "not_before": {"$lte": self._store.now()}}
        if not self._move(query, WAITING, RUNNING, worker, "claimed", changes, fence=True):
            return None
        document = self._tasks.find_one({"_id": ident, "status": RUNNING, "lease.worker": worker})
        return to_claim(document, worker, self._settings.lease_seconds) if document else None

    def renew(self, claim: Claim) -> None:
        """Hold the claim for another lease.

        Raises:
            LeaseLost: somebody else has the task, or it was cancelled.
        """
        with reachable():
            changes = [{"$set": {"lease.expires_at": later(claim.lease_seconds)}}]
            if not self._tasks.update_one(self._held_by(claim), changes).matched_count:
                raise _lost(claim)

    def holds(self, claim: Claim) -> bool:
        """Whether the claim is still held: a read, cheaper than ``renew``."""
        with reachable():
            return self._tasks.find_one(self._held_by(claim), {"_id": 1}) is not None

    def commit(self, claim: Claim, result: Mapping[str, Any]) -> None:
        """Store the one result of the task. Committing the same claim again is harmless.

        Raises:
            LeaseLost: the claim is not held any more; the result was not stored.
        """
        changes = {"lease": None, "result": literal(dict(result)), "error": None, "ended_at": NOW}
        with reachable():
            if self._move(self._held_by(claim), RUNNING, TaskState.DONE, claim.worker, "committed", changes):
                return
            if not self._tasks.find_one({"_id": claim.task_id, "status": TaskState.DONE, "fence": claim.fence}):
                raise _lost(claim)

    def fail(self, claim: Claim, error: TaskError) -> TaskState:
        """The attempt ended with its own exception: WAITING with backoff, or FAILED when attempts are used up.

        Raises:
            LeaseLost: the claim is not held any more; nothing was written.
        """
        failures = claim.failures + 1
        final = error.permanent or failures >= self._settings.max_attempts
        end = TaskState.FAILED if final else WAITING
        detail = {"type": error.type, "message": error.message, "traceback": error.traceback, "host": error.host}
        changes = {
            "lease": None,
            "failures": failures,
            "error": literal({**detail, "attempt": claim.attempt, "permanent": error.permanent}),
            "not_before": later(0 if final else self._backoff(failures)),
            "ended_at": NOW,
        }
        why = f"{error.type}: {error.message}"[:300]
        with reachable():
            if not self._move(self._held_by(claim), RUNNING, end, claim.worker, why, changes):
                raise _lost(claim)
        return end

    def release(self, claim: Claim, why: str) -> None:
        """Give the task back untried, for example because the worker is told to stop.

        Raises:
            LeaseLost: the claim is not held any more.
        """
        with reachable():
            if not self._move(self._held_by(claim), RUNNING, WAITING, claim.worker, why, {"lease": None}):
                raise _lost(claim)

    def reclaim(self, by: str, dead_workers: Sequence[str] = ()) -> list[Task]:
        """Take back tasks whose lease expired or whose worker is known to be dead: a worker loss.

        A task that lost ``max_worker_losses`` workers is QUARANTINED, the others wait again.

        Returns:
            The tasks as they are now.
        """
        with reachable():
            expired: Document = {"lease.expires_at": {"$lt": self._store.now()}}
            if dead_workers:
                expired = {"$or": [expired, {"lease.worker": {"$in": list(dead_workers)}}]}
            found = list(self._tasks.find({"status": RUNNING, **expired}, {"fence": 1, "losses": 1, "lease": 1}))
            taken = [document["_id"] for document in found if self._reclaim(document, expired, by)]
            return self.find(ids=taken) if taken else []

    def _reclaim(self, document: Document, expired: Document, by: str) -> bool:
        losses = document["losses"] + 1
        poison = losses >= self._settings.max_worker_losses
        end = TaskState.QUARANTINED if poison else WAITING
        why = f"worker {document['lease']['worker']} was lost ({losses} of {self._settings.max_worker_losses})"
        query = {"_id": document["_id"], "fence": document["fence"], **expired}
        # No backoff: the worker died, which says little about the task.
        changes: Document = {"lease": None, "losses": losses, "ended_at": NOW}
        if poison:
            changes["error"] = literal({"type": "WorkerLost", "message": why})
        return self._move(query, RUNNING, end, by, why, changes, fence=True)

    # -- what people do -----------------------------------------------------------------------------------------------

    def cancel(self, ids: Sequence[str], by: str) -> list[str]:
        """Cancel tasks that are not finished; a running one loses its claim. Returns the ids that were cancelled."""
        return self._move_each(ids, TaskState.CANCELLED, by, "cancelled", {"lease": None, "ended_at": NOW})

    def retry(self, ids: Sequence[str], by: str) -> list[str]:
        """Let failed, quarantined or cancelled tasks wait again, with all their attempts. Returns the ids moved."""
        fresh = {"failures": 0, "losses": 0, "error": None, "not_before": NOW, "held": False, "ended_at": None}
        return self._move_each(
            ids, WAITING, by, "retried by hand", fresh, starts=(TaskState.FAILED, "QUARANTINED", "CANCELLED")
        )

    def _move_each(
        self, ids: Sequence[str], end: TaskState, by: str, why: str, changes: Document, starts: Sequence[str] = ()
    ) -> list[str]:
        allowed = [TaskState(s) for s in starts] or [start for start, ends in TRANSITIONS.items() if end in ends]
        with reachable():
            return [
                ident
                for ident in ids
                if any(self._move({"_id": ident}, start, end, by, why, changes, fence=True) for start in allowed)
            ]

    def prioritize(self, ids: Sequence[str], priority: int) -> int:
        """Set the priority (higher is sooner) of tasks that are not finished; returns how many."""
        with reachable():
            query = {"_id": {"$in": list(ids)}, "status": {"$in": sorted(ACTIVE)}}
            # A raised task must be rung again, else it stays behind the messages that are out already.
            return int(self._tasks.update_many(query, {"$set": {"priority": priority, "rung": False}}).matched_count)

    def hold(self, ids: Sequence[str]) -> int:
        """Keep waiting tasks from being claimed until ``unhold``; returns how many. Running ones go on."""
        with reachable():
            query = {"_id": {"$in": list(ids)}, "status": WAITING, "held": False}
            return int(self._tasks.update_many(query, {"$set": {"held": True, "rung": False}}).modified_count)

    def remove(self, ids: Sequence[str]) -> list[str]:
        """Delete tasks and their history for ever, except running ones. Returns the ids that were deleted."""
        with reachable():
            return [
                ident
                for ident in ids
                if self._tasks.delete_one({"_id": ident, "status": {"$ne": RUNNING}}).deleted_count
            ]

    def unhold(self, ids: Sequence[str]) -> int:
        """Let held tasks be claimed; returns how many were held."""
        with reachable():
            query = {"_id": {"$in": list(ids)}, "held": True}
            return int(self._tasks.update_many(query, {"$set": {"held": False}}).modified_count)

    def join_round(self, ids: Sequence[str], round_id: str) -> None:
        """Mark tasks as belonging to a round."""
        with reachable():
            self._tasks.update_many({"_id": {"$in": list(ids)}}, {"$addToSet": {"rounds": round_id}})

    # -- dispatch -----------------------------------------------------------------------------------------------------

    def next_to_ring(self, pool: str, limit: int) -> list[tuple[str, str]]:
        """Mark the best waiting tasks as rung, until ``limit`` are; returns (task id, queue) of the newly marked.

        The window is refilled when it is less than half full, because finding the best of very many costs something.
        """
        with reachable():
            ready: Document = {"pool": pool, "status": WAITING, "held": False}
            out = self._tasks.count_documents({**ready, "rung": True})
            urgent = self._tasks.find_one({**ready, "rung": False, "priority": {"$gt": 0}}, {"_id": 1})
            if out > limit // 2 and not urgent:
                return []
            best = self._best(ready, max(limit - out, 1))
            ids = [document["_id"] for document in best]
            if ids:
                changes = {"$set": {"rung": True, "rung_at": self._store.now()}}
                self._tasks.update_many({"_id": {"$in": ids}, "status": WAITING}, changes)
            return [(document["_id"], document["queue"]) for document in best]

    def _best(self, ready: Document, limit: int) -> list[Document]:
        query = {**ready, "rung": False, "not_before": {"$lte": self._store.now()}}
        order = [("priority", DESCENDING), ("seq", ASCENDING)]
        return list(self._tasks.find(query, {"queue": 1}).sort(order).limit(limit))

    def rung_before(self, pool: str, seconds: float) -> list[tuple[str, str]]:
        """(task id, queue) of tasks that were rung longer ago than ``seconds`` and still wait."""
        with reachable():
            since = self._store.now() - timedelta(seconds=seconds)
            query = {"pool": pool, "status": WAITING, "rung": True, "rung_at": {"$lt": since}}
            return [(document["_id"], document["queue"]) for document in self._tasks.find(query, {"queue": 1})]

    # -- the one write ------------------------------------------------------------------------------------------------

    def _move(
        self,
        query: Document,
        start: TaskState,
        end: TaskState,
        by: str,
        why: str,
        changes: Document,
        *,
        fence: bool = False,
    ) -> bool:
        """One conditional write from ``start`` to ``end``; whether this caller won it."""
        check_transition(start, end)
        step = {"status": end, "fence": fence_after(fence), "history": history_after(start, end, by, why, fence)}
        extra = {} if end is RUNNING else {"rung": False}
        written = self._tasks.update_one({**query, "status": start}, [{"$set": {**step, **extra, **changes}}])
        return bool(written.modified_count)

    def _held_by(self, claim: Claim) -> Document:
        return {"_id": claim.task_id, "status": RUNNING, "fence": claim.fence}

    def _backoff(self, failures: int) -> float:
        """Full jitter: uniform in [0, min(max, base * 2^(failures-1))], after Brooker, 'Exponential Backoff' (2015)."""
        ceiling = min(self._settings.backoff_max_seconds, self._settings.backoff_seconds * 2 ** (failures - 1))
        return random.uniform(0, ceiling)  # noqa: S311 - spreads retries, protects nothing


def _lost(claim: Claim) -> LeaseLost:
    return LeaseLost(f"The claim on task {claim.task_id} (fence {claim.fence}) is lost.", "Stop and leave no trace.")
