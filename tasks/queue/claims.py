"""Claims: a worker's right to run a task, and how an attempt ends."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import OperationFailure

from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import LeaseLost
from rollq.tasks.leases.leased_documents import LeasedDocuments
from rollq.tasks.leases.renewer import Lease
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.expressions import NOW, Write, later, literal
from rollq.tasks.queue.dead_letters import DeadLetters
from rollq.tasks.queue.documents import CANDIDATE_READER, to_claim, transition
from rollq.tasks.queue.prefetch import Candidate, Claim, Prefetch
from rollq.tasks.queue.states import TASK_STATES, Stage, TaskState
from rollq.tasks.queue.task import COMMITTED, TaskError
from rollq.tasks.queue.task_store import BEST_FIRST, RUNNING, WAITING, TaskStore
from rollq.tasks.resources import Resources

CANDIDATES = 8  # waiting tasks looked at per claim; one of the best is tried, so that workers seldom collide
PREFETCHED = 32  # as many, for a process that claims again at once
CLAIMABLE = (Stage.NOTIFIED, Stage.STAGED, Stage.UNSTAGED)  # the small sets first: a search costs as much as it finds
CLAIMED = dict.fromkeys(("schema", *(field.name for field in fields(Candidate) if field.name != "id")), 1)


class TaskClaims:
    """What workers do with tasks."""

    def __init__(self, store: TaskStore, dead_letters: DeadLetters, settings: Settings) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._settings = settings
        self._leased = LeasedDocuments("task", lambda: store.tasks, {"status": RUNNING}, settings.lease_seconds)

    def claim(
        self,
        pool: str,
        worker: str,
        queues: Sequence[str] = ("default",),
        wanted: str | None = None,
        available: Resources | None = None,
        prefetch: Prefetch | None = None,
    ) -> Claim | None:
        """Take the best waiting task of a pool, first of those that workers are notified of.

        Args:
            wanted: take this one among equally urgent tasks, so that workers who received different messages do not
                collide.
            available: what this process has; tasks that need more are left to others.
            prefetch: kept by a caller that claims from this pool, as before, several times within a moment.

        Returns:
            The claim, or None if nothing can be claimed now.
        """
        if prefetch and (claim := self._claim_prefetched(prefetch, worker)):
            return claim
        limit = PREFETCHED if prefetch else CANDIDATES
        ready = {"pool": pool, "status": WAITING, "queue": {"$in": list(queues)}}
        with reachable():
            for stage in CLAIMABLE:
                while candidates := self._candidates({**ready, "stage": stage}, available, limit):
                    best = _in_order(candidates, wanted)
                    seen = len(candidates) * (stage is Stage.NOTIFIED)
                    if claim := self._try_claim(best[0], worker, seen):
                        if prefetch:
                            prefetch.tasks, prefetch.seen = best[1:], seen
                        return replace(claim, prefetch=prefetch)
        return None

    def _claim_prefetched(self, prefetch: Prefetch, worker: str) -> Claim | None:
        """The next of the tasks that were seen before, if no other worker was faster."""
        if (claim := prefetch.take()) or not prefetch.tasks:
            return claim
        with reachable():
            if claim := self._try_claim(prefetch.tasks.pop(0), worker, prefetch.seen):
                return replace(claim, prefetch=prefetch)
        prefetch.tasks.clear()  # others are at the same ones
        return None

    def _candidates(self, query: Document, available: Resources | None, limit: int = CANDIDATES) -> list[Candidate]:
        """The best tasks that a query finds and that ``available`` can serve, the most urgent first."""
        found = self._read(query, limit)
        # Compared here, without the server: as a rule the best tasks fit, and a filter by resources is in no index.
        fitting = [task for task in found if task.requested.fit(available)]
        if fitting or not found or available is None:
            return fitting
        # None of the best fits: now the server is asked for those that do, lest larger tasks hide them for ever.
        limits = {f"requested.{name}": {"$lte": amount} for name, amount in available.to_dict().items()}
        return self._read({**query, **limits}, limit)

    def _read(self, query: Document, limit: int) -> list[Candidate]:
        """The best valid tasks that a query finds, the most urgent first."""
        while True:
            found = list(self._store.tasks.find(query, CLAIMED).sort(BEST_FIRST).limit(limit))
            valid = self._dead_letters.decode(found, CANDIDATE_READER.read)
            if len(valid) == len(found):
                return valid
            # Once they are dead-lettered, the invalid ones do not stand before the others any more.

    def claim_among(
        self,
        pool: str,
        worker: str,
        query: Document,
        claimed_from: TaskState = WAITING,
        available: Resources | None = None,
    ) -> Claim | None:
        """Take the best task of ``pool`` that ``query`` (of fields of its document) finds, whatever its stage.

        Args:
            claimed_from: WAITING, or PART_DONE for the second phase of a task.

        Raises:
            InvalidTransition: tasks in that state cannot be claimed.
        """
        TASK_STATES.check(claimed_from, RUNNING)
        # A query of a user's own knows nothing of stages, which keep a task in its backoff from being found elsewhere.
        ready: Document = {"pool": pool, "status": claimed_from, "not_before": {"$lte": self._store.now()}}
        if claimed_from is WAITING:
            ready["stage"] = {"$ne": Stage.HELD}
        with reachable():
            while candidates := self._candidates({"$and": [ready, query]}, available):
                for task in candidates:
                    if claim := self._try_claim(task, worker, 0, claimed_from):
                        return claim
        return None

    def _try_claim(self, task: Candidate, worker: str, seen: int, claimed_from: TaskState = WAITING) -> Claim | None:
        """The claim on a task that was read a moment ago; None if another worker was faster, or it is invalid."""
        claim = to_claim(task, worker, seen, claimed_from)  # the lease begins before the write
        write = self._claiming(task, worker, claimed_from)
        return claim if self._dead_letters.attempt(task.id, lambda: self._store.write(write)) else None

    def _claiming(self, task: Candidate, worker: str, claimed_from: TaskState = WAITING) -> Write:
        changes = {
            "lease": self._leased.new_lease(worker),
            "attempts": {"$add": ["$attempts", 1]},
            "started_at": NOW,
            "claimed_from": claimed_from,
        }
        # Whatever was read is still so if fence and stage are: the claim needs no second look.
        query = {"_id": task.id, "fence": task.fence, "stage": task.stage}
        return transition(query, claimed_from, RUNNING, worker, "claimed", changes, fence=True)

    def renew(self, claim: Claim, memory_mb: float | None = None) -> None:
        """Hold the claim for another lease.

        Args:
            memory_mb: the most memory that the worker used so far, to be shown if it dies.

        Raises:
            LeaseLost: another worker has the task, or it was cancelled.
        """
        used = {} if memory_mb is None else {"lease.memory_mb": memory_mb}
        self._leased.renew(claim.task_id, claim.fence, used)

    def lease(self, claim: Claim) -> Lease:
        """The lease of a claim, to be renewed by a ``LeaseRenewer``."""
        held = self._leased.lease(claim.task_id, claim.fence, claim.since)
        return replace(held, holds=lambda: self.holds(claim))

    def holds(self, claim: Claim) -> bool:
        """Whether the claim is still held: a read, cheaper than ``renew``."""
        with reachable():
            return self._shows(self._held_by(claim))

    def commit(self, claim: Claim, result: Mapping[str, Any], *, part: bool = False) -> None:
        """Store the one result of the task. Committing the same claim again is harmless.

        Args:
            part: it is the result of the first of two phases: the task is PART_DONE.

        Raises:
            LeaseLost: the claim is not held any more; the result was not stored.
        """
        changes = {"lease": None, "result": literal(dict(result)), "error": None, "ended_at": NOW}
        end = TaskState.PART_DONE if part else TaskState.DONE
        if not part:
            changes["kept"] = None
        commit = transition(self._held_by(claim), RUNNING, end, claim.worker, COMMITTED, changes)
        with reachable():
            # The commit goes first in both cases; what is sent along with it never comes before it.
            if claim.prefetch and claim.prefetch.wants_more():
                written = self._write_and_claim(commit, claim.prefetch, claim.worker)
            else:
                written = self._write_end(commit)
            # Nothing was modified: the claim is lost, or an earlier try was written whose answer never came. The fence
            # tells.
            if not written and not self._shows({"_id": claim.task_id, "status": end, "fence": claim.fence}):
                raise self._lost(claim)

    def _write_and_claim(self, commit: Write, prefetch: Prefetch, worker: str) -> bool:
        """A commit and, in the same trip, the claim on the next task; whether both are certain to be written."""
        task = prefetch.tasks.pop(0)
        others, prefetch.tasks = (
            prefetch.tasks,
            [],
        )  # should the store not answer, the commit is tried again without them
        claim = to_claim(task, worker, prefetch.seen, WAITING)
        both = [UpdateOne(*commit), UpdateOne(*self._claiming(task, worker))]
        try:
            written = self._store.tasks.bulk_write(both, ordered=True).modified_count
        except OperationFailure:
            if not self._dead_letters.sift([commit[0]["_id"], task.id]):
                raise
            return self._write_end(commit)  # some stores refuse both writes, if one document is invalid
        # The answer is a sum: if one of the two was refused, the store must say which.
        if written == 2 or (written == 1 and self._is_held(claim, worker)):
            prefetch.claimed, prefetch.tasks = replace(claim, prefetch=prefetch), others
        return written == 2

    def _write_end(self, write: Write) -> bool:
        """The write that ends an attempt; whether it was done."""
        return bool(self._dead_letters.attempt(write[0]["_id"], lambda: self._store.write(write)))

    def _shows(self, query: Document) -> bool:
        return self._store.tasks.find_one(query, {"_id": 1}) is not None

    def _is_held(self, claim: Claim, worker: str) -> bool:
        """Whether this worker holds the claim. Its name is no part of the query, because it is in no index."""
        found = self._store.tasks.find_one(self._held_by(claim), {"lease.worker": 1})
        return found is not None and (found.get("lease") or {}).get("worker") == worker

    def fail(self, claim: Claim, error: TaskError) -> TaskState:
        """The attempt ended with its own exception: WAITING with backoff, or FAILED when attempts are used up.

        Raises:
            LeaseLost: the claim is not held any more; nothing was written.
        """
        failures = claim.failures + 1
        final = error.permanent or failures >= self._settings.max_attempts
        # Back to where it came from: a second phase that fails keeps the result of the first.
        end = TaskState.FAILED if final else claim.claimed_from
        detail = {"type": error.type, "message": error.message, "traceback": error.traceback, "host": error.host}
        if error.where:
            detail["where"] = error.where
        changes = {
            "lease": None,
            "failures": failures,
            "error": literal({**detail, "attempt": claim.attempt, "permanent": error.permanent}),
            "ended_at": NOW,
        }
        # By the store's clock, as every time in a document.
        if not final and (seconds := self._backoff(failures)):
            changes |= {"not_before": later(seconds), "stage": Stage.DELAYED}
        why = f"{error.type}: {error.message}"[:300]
        with reachable():
            write = transition(self._held_by(claim), RUNNING, end, claim.worker, why, changes)
            if not self._write_end(write):
                raise self._lost(claim)
        return end

    def release(self, claim: Claim, why: str, wait: float = 0.0) -> None:
        """Give the task back untried, for example because the worker is told to stop.

        Args:
            wait: seconds before it may be claimed again.

        Raises:
            LeaseLost: the claim is not held any more.
        """
        changes: Document = {"lease": None}
        if wait:
            changes |= {"not_before": later(wait), "stage": Stage.DELAYED}
        with reachable():
            write = transition(self._held_by(claim), RUNNING, claim.claimed_from, claim.worker, why, changes)
            if not self._write_end(write):
                raise self._lost(claim)

    def _held_by(self, claim: Claim) -> Document:
        return self._leased.held_by(claim.task_id, claim.fence)

    def _lost(self, claim: Claim) -> LeaseLost:
        return self._leased.lost(claim.task_id, claim.fence)

    def _backoff(self, failures: int) -> float:
        """Full jitter: uniform in [0, min(max, base * 2^(failures-1))], after Brooker, 'Exponential Backoff' (2015)."""
        ceiling = min(self._settings.backoff_max_seconds, self._settings.backoff_seconds * 2 ** (failures - 1))
        return random.uniform(0, ceiling)  # noqa: S311 - spreads retries, protects nothing


def _in_order(candidates: Sequence[Candidate], wanted: str | None) -> list[Candidate]:
    """The most urgent candidates, from the wanted one on, else from any: so workers start apart and seldom collide."""
    best = [task for task in candidates if task.priority == candidates[0].priority]
    mine = [position for position, task in enumerate(best) if task.id == wanted]
    start = mine[0] if mine else random.randrange(len(best))  # noqa: S311 - spreads workers, protects nothing
    return [*best[start:], *best[:start]]
