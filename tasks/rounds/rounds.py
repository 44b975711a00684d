"""Rounds: the tasks of one ``train`` call, gathered exactly once when the last of them is finished.

``open -> gathering -> gathered | failed``. A gatherer holds a lease and a fence, as a worker does on a task; one that
dies loses it and another gathers again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure

from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import DocumentCorrupted, NotFound, SettingsError, Unavailable
from rollq.tasks.leases.leased_documents import FENCE_RAISED, LeasedDocuments, expired
from rollq.tasks.leases.renewer import Lease
from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.expressions import NOW, literal
from rollq.tasks.mongo.records import as_seen
from rollq.tasks.rounds.documents import (
    FAILED,
    GATHERED,
    GATHERING,
    OPEN,
    ROUND_STATES,
    ROUNDS,
    Round,
    RoundState,
    new_document,
    sanitized,
    to_round,
)
from rollq.tasks.rounds.purpose import Purpose

log = logging.getLogger(__name__)


class Rounds:
    """The rounds of a store. The only code that reads or writes them there."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        held = {"status": RoundState.GATHERING}
        self._leased = LeasedDocuments("round", lambda: self._rounds, held, settings.lease_seconds)

    @property
    def _rounds(self) -> Collection[Document]:
        return self._store.collection("rounds")  # asked for anew: after a fork it belongs to another connection

    def ensure_indexes(self) -> None:
        """Make the indexes; nothing happens where they exist."""
        with reachable():
            self._rounds.create_index([("status", ASCENDING), ("pool", ASCENDING)])

    def create(
        self,
        pool: str,
        task_ids: Sequence[str],
        purpose: Purpose,
        *,
        policy: str = "all",
        held: bool = False,
        after: Sequence[str] = (),
        ident: str | None = None,
    ) -> str:
        """Open a round over ``task_ids``.

        Args:
            pool: of its tasks.
            task_ids: its tasks; each is in the pool.
            purpose: what the coordinator does with the models.
            policy: how many tasks must be DONE: ``all``, a fraction such as ``0.9``, or ``best_effort`` (at least one).
            held: it is delayed: it is not gathered before ``start``.
            after: rounds that must be gathered first (``tasks/upkeep/dependencies.py``); if one fails, it fails too.
            ident: its id (12 hex digits), so that a second call opens no second round; None: any.

        Raises:
            SettingsError: the policy is none of these.
        """
        needed(policy, len(task_ids))
        ident = ident or uuid4().hex[:12]
        options = {"policy": policy, "held": held, "after": list(after), "unblocked": not after}
        # The id says what the round is about: that it is there already is as good as having made it.
        with reachable(), suppress(DuplicateKeyError):
            self._rounds.insert_one({**new_document(ident, pool, task_ids, purpose, self._store.now()), **options})
        return ident

    def start(self, ident: str) -> None:
        """Let a delayed round be gathered once its tasks are finished."""
        with reachable():
            self._rounds.update_one({"_id": ident}, {"$set": {"held": False}})

    def claim(self, ident: str, worker: str) -> Round | None:
        """Become the gatherer of a round; None if it is finished, held, or another one is alive."""
        with reachable():
            free: list[Document] = [
                {"status": RoundState.OPEN, "held": False, "unblocked": True},
                {"status": RoundState.GATHERING, **expired(self._store.now())},
            ]
            try:
                if not self._leased.claim({"_id": ident, "$or": free}, worker, {"status": RoundState.GATHERING}):
                    return None
            # Its fence may be text, with which no server can count: then the document is to blame and not the server.
            except Unavailable as error:  # the server cannot compute with what is there
                if isinstance(error.__cause__, OperationFailure) and self._dead_letter(ident) is None:
                    return None
                raise
        document = self._dead_letter(ident)
        return to_round(document) if document else None

    def _dead_letter(self, ident: str) -> Document | None:
        """The document of a round; None if there is none, or if it is invalid: then it is written down as failed."""
        with reachable():
            document = self._rounds.find_one({"_id": ident})
            why = ROUNDS.problem(document) if document else ""
            if document and why:
                log.warning("%s", DocumentCorrupted(f"Round {ident} is dead-lettered as failed: {why}."))
                seen = as_seen(document, ROUND_STATES, FAILED)
                self._rounds.replace_one(seen, sanitized(document, self._store.now()))
        return None if why else document

    def renew(self, gathering: Round) -> None:
        """Hold the round for another lease.

        Raises:
            LeaseLost: another process gathers it now.
        """
        self._leased.renew(gathering.id, gathering.fence)

    def lease(self, gathering: Round, since: float) -> Lease:
        """The lease on a claimed round; ``since`` as for ``LeasedDocuments.lease``."""
        return self._leased.lease(gathering.id, gathering.fence, since)

    def release(self, gathering: Round, why: str) -> None:
        """Give the round back, to be gathered again.

        Raises:
            LeaseLost: another process gathers it now.
        """
        self._move(gathering, RoundState.OPEN, {"reason": literal(why)})

    def finish(self, gathering: Round, result: Mapping[str, Any]) -> None:
        """The round is gathered.

        Raises:
            LeaseLost: another process gathers it now.
        """
        self._move(gathering, GATHERED, {"finished_at": NOW, "result": literal(dict(result)), "reason": ""})

    def fail(self, gathering: Round, reason: str) -> None:
        """The round cannot meet its policy, or its predictions do not fit together.

        Raises:
            LeaseLost: another process gathers it now.
        """
        self._move(gathering, FAILED, {"finished_at": NOW, "reason": literal(reason)})

    def replace_task(self, old: str, new: str) -> list[str]:
        """Put another task in the place of one, in rounds that are open; returns the ids of these rounds."""
        with reachable():
            found = list(self._rounds.find({"status": RoundState.OPEN, "task_ids": old}, {"task_ids": 1}))
            for document in found:
                ids = [new if ident == old else ident for ident in document["task_ids"]]
                self._rounds.update_one(
                    {"_id": document["_id"], "status": RoundState.OPEN}, {"$set": {"task_ids": ids}}
                )
            return [str(document["_id"]) for document in found]

    def reopen(self, pool: str, task_ids: Sequence[str]) -> int:
        """Open failed rounds again that hold one of ``task_ids``, because they are tried again; returns how many."""
        with reachable():
            failed: Document = {"pool": pool, "status": RoundState.FAILED, "task_ids": {"$in": list(task_ids)}}
            failed["given_up"] = {"$ne": True}
            count = 0
            while ids := [document["_id"] for document in self._rounds.find(failed, {"_id": 1})]:
                changes = {
                    "status": ROUND_STATES.check(FAILED, OPEN),
                    "lease": None,
                    "reason": "",
                    "failed_by_dependency": False,
                }
                # The state is compared again in the write: another process may have opened one of them, and be
                # gathering it.
                still = {"_id": {"$in": ids}, "status": RoundState.FAILED}
                count += self._rounds.update_many(still, {"$set": changes}).modified_count
                failed = {
                    "status": RoundState.FAILED,
                    "failed_by_dependency": True,
                    "after": {"$in": ids},
                }  # those that failed with it
            return count

    def give_up(self, idents: Sequence[str], reason: str) -> None:
        """Fail rounds that are not gathered, for good: they are not gathered even if their tasks are tried again."""
        going = {"$in": ROUND_STATES.starts(FAILED)}
        ended = {"status": FAILED, "given_up": True, "lease": None, "reason": literal(reason)}
        # The fence is raised, so that a coordinator at work on one of them writes nothing any more.
        changes = {**ended, "finished_at": NOW, "fence": FENCE_RAISED}
        with reachable():
            self._rounds.update_many({"_id": {"$in": list(idents)}, "status": going}, [{"$set": changes}])

    def get(self, ident: str) -> Round:
        """One round.

        Raises:
            NotFound: there is none with this id.
        """
        with reachable():
            document = self._rounds.find_one({"_id": ident})
        if document is None:
            raise NotFound(f"There is no round {ident!r}.")
        return to_round(document)

    def find(self, pool: str | None = None, status: Sequence[RoundState] = ()) -> list[Round]:
        """Rounds, oldest first."""
        query: Document = {"pool": pool} if pool else {}
        if status:
            query["status"] = {"$in": list(status)}
        with reachable():
            return [to_round(document) for document in self._rounds.find(query).sort("created_at", ASCENDING)]

    def may_be_gathered(self, ident: str) -> bool:
        """Whether a round is open and was started."""
        with reachable():
            query = {"_id": ident, "status": RoundState.OPEN, "held": False, "unblocked": True}
            return self._rounds.find_one(query) is not None and self.in_turn(ident)

    def in_turn(self, ident: str) -> bool:
        """Whether the round that this one follows (``purpose.follows``) has ended: sets come online in their order."""
        with reachable():
            document = self._rounds.find_one({"_id": ident}, {"purpose.follows": 1})
            earlier = ((document or {}).get("purpose") or {}).get("follows")
            going_on = {"_id": earlier, "status": {"$in": [RoundState.OPEN, RoundState.GATHERING]}}
            return not earlier or self._rounds.find_one(going_on, {"_id": 1}) is None

    def followers(self, ident: str) -> list[str]:
        """Ids of the open rounds that follow a round."""
        with reachable():
            found = self._rounds.find({"status": RoundState.OPEN, "purpose.follows": ident}, {"_id": 1})
            return [str(document["_id"]) for document in found]

    def dependants(self) -> list[Round]:
        """Open rounds that wait for others, oldest first."""
        with reachable():
            found = self._rounds.find({"status": RoundState.OPEN, "unblocked": False}).sort("created_at", ASCENDING)
            return [to_round(document) for document in found]

    def unblock(self, ident: str) -> Round:
        """Every round that this one waits for is gathered; returns it as it is now."""
        with reachable():
            self._rounds.update_one({"_id": ident, "status": RoundState.OPEN}, {"$set": {"unblocked": True}})
        return self.get(ident)

    def fail_by_dependency(self, ident: str, reason: str) -> None:
        """A round that this one waits for has failed, so it fails too, until that one is tried again."""
        failed = ROUND_STATES.check(OPEN, FAILED)
        changes = {"status": failed, "failed_by_dependency": True, "reason": reason, "finished_at": self._store.now()}
        with reachable():
            # `unblocked` is in the filter: a round that another process has just unblocked is not failed by what it no
            # longer waits for.
            self._rounds.update_one({"_id": ident, "status": RoundState.OPEN, "unblocked": False}, {"$set": changes})

    def abandoned(self) -> list[str]:
        """Ids of rounds that are being gathered by a process whose lease expired."""
        with reachable():
            query = {"status": RoundState.GATHERING, **expired(self._store.now())}
            return [document["_id"] for document in self._rounds.find(query, {"_id": 1})]

    def _move(self, gathering: Round, end: RoundState, changes: Document) -> None:
        self._leased.end(gathering.id, gathering.fence, {"status": ROUND_STATES.check(GATHERING, end), **changes})


def needed(policy: str, tasks: int) -> int:
    """How many of ``tasks`` must be DONE for a round with this policy to be gathered.

    Raises:
        SettingsError: the policy is unknown.
    """
    if policy == "all":
        return tasks
    if policy == "best_effort":
        return 1
    try:
        fraction = float(policy)
    except ValueError:
        fraction = -1.0
    if not 0 < fraction <= 1:
        raise SettingsError(f"Round policy {policy!r} is unknown.", "Use all, best_effort, or a fraction such as 0.9.")
    # Rounded up (the ceiling as a floor of the negative), and never none: a round without a model has nothing to serve.
    return max(1, -int(-fraction * tasks // 1))
