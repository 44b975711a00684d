"""Operations: what people and their programs do with tasks by hand."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from rollq.tasks.errors import InvalidTransition
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.queue.dead_letters import DeadLetters
from rollq.tasks.queue.documents import cancelling, giving_back, waiting_again
from rollq.tasks.queue.stager import BLOCK, TaskStager
from rollq.tasks.queue.states import ACTIVE, Stage, TaskState
from rollq.tasks.queue.task_store import RUNNING, WAITING, TaskStore
from rollq.tasks.tracking.runs.orphans import Orphans
from rollq.tasks.tracking.runs.references import References

FENCED = {"pool": 1, "fence": 1}
KEPT = {"status": 1, "fence": 1}
FAILED = [TaskState.FAILED, TaskState.QUARANTINED]

log = logging.getLogger(__name__)


class TaskOperations:
    """Cancels, retries, resets, prioritizes, holds and removes tasks, each by itself."""

    def __init__(
        self,
        store: TaskStore,
        stager: TaskStager,
        dead_letters: DeadLetters,
        orphans: Orphans,
        references: References,
    ) -> None:
        """Runs and references are asked before tasks are touched: what serves stays, and what is cut off is noted."""
        self._store = store
        self._stager = stager
        self._dead_letters = dead_letters
        self._orphans = orphans
        self._references = references

    def cancel(self, ids: Sequence[str], by: str) -> list[str]:
        """Cancel tasks that are not finished; a running one loses its claim.

        One that was DONE and is trained again is DONE again, with the result that it had; also if the new training
        failed.

        Returns:
            The ids of the tasks that were cancelled or are DONE again.
        """
        mine = {"_id": {"$in": list(ids)}}
        with reachable():
            self._dead_letters.sift(ids)
            # Noted before they are cancelled; a task that begins in between is found by the reconciler's search.
            for task in self._store.tasks.find({**mine, "status": RUNNING}, {"pool": 1}):
                self._orphans.note(task["_id"], task["pool"], f"it was cancelled by {by}")
            failed = self._store.tasks.find({**mine, "status": {"$in": FAILED}, "kept": {"$ne": None}}, KEPT)
            back = {task["_id"] for task in list(failed) if self._give_back(task, by)}
            return self._dead_letters.each(ids, lambda ident: ident in back or self._cancel(ident, by))

    def _cancel(self, ident: str, by: str) -> bool:
        writes = (({"_id": ident, "status": start}, [{"$set": cancelling(start, by)}]) for start in ACTIVE)
        return any(map(self._store.write, writes))

    def _give_back(self, task: Document, by: str) -> bool:
        same = {name: task[name] for name in ("_id", "status", "fence")}
        return self._store.write((same, [{"$set": giving_back(TaskState(task["status"]), by)}]))

    def retry(
        self, ids: Sequence[str], by: str, *, done: bool = False, held: bool = False, any_code: bool = True
    ) -> list[str]:
        """Let failed, quarantined or cancelled tasks wait again, with all their attempts.

        Args:
            done: DONE tasks too; they are trained anew, and keep their result until there is a new one.
            held: they are not claimed until ``unhold``.
            any_code: they are run with the code that is there then, though it is another than they were made with.

        Returns:
            The ids of the tasks that wait again.
        """
        # Many at once would make the staged set large, which every look reads whole; they are written down in blocks
        # instead.
        stage = Stage.HELD if held else Stage.STAGED if len(ids) <= BLOCK else Stage.UNSTAGED
        starts = [TaskState.FAILED, TaskState.QUARANTINED, TaskState.CANCELLED, *([TaskState.DONE] if done else [])]
        fresh = {start: {**waiting_again(start), "stage": stage, "any_code": any_code} for start in starts}
        moved = self._move_each(ids, WAITING, by, "retried by hand", fresh)
        if stage is Stage.UNSTAGED:
            self._stager.add_again(moved)
        return moved

    def admit(self, ids: Sequence[str], by: str) -> list[str]:
        """Let PART_DONE tasks wait for a worker for their second phase; returns the ids of those that do."""
        changes: dict[TaskState, Document] = {TaskState.PART_DONE: {"ended_at": None}}
        return self._move_each(ids, WAITING, by, "released for its second phase", changes)

    def reset(self, ids: Sequence[str], end: TaskState, by: str) -> list[str]:
        """Move tasks to WAITING, whatever became of them unless they run; or to CANCELLED. Returns those that moved.

        Raises:
            InvalidTransition: a person cannot move tasks into this state.
        """
        if end is TaskState.CANCELLED:
            return self.cancel(ids, by)
        if end is not WAITING:
            raise InvalidTransition(f"Tasks cannot be put into {end} by hand.", "Use WAITING or CANCELLED.")
        return [*self.retry(ids, by, done=True), *self.admit(ids, by)]

    def _move_each(
        self, ids: Sequence[str], end: TaskState, by: str, why: str, changes: Mapping[TaskState, Document]
    ) -> list[str]:
        """Move tasks that are in one of the states of ``changes``, which says what else changes."""

        def move(ident: str) -> bool:
            moves = (
                self._store.move({"_id": ident}, start, end, by, why, more, fence=True)
                for start, more in changes.items()
            )
            return any(moves)

        with reachable():
            self._dead_letters.sift(ids)
            return self._dead_letters.each(ids, move)

    def prioritize(self, ids: Sequence[str], priority: int) -> int:
        """Set the priority (higher is sooner) of tasks that are not finished; returns how many."""
        with reachable():
            self._dead_letters.sift(ids)
            query = {"_id": {"$in": list(ids)}, "status": {"$in": sorted(ACTIVE)}}
            found = int(self._store.tasks.update_many(query, {"$set": {"priority": priority}}).matched_count)
            for stage in (Stage.UNSTAGED, Stage.NOTIFIED):  # its stage is decided anew, else it stays where it was
                self._store.move_stage(ids, stage, Stage.STAGED)
        return found

    def hold(self, ids: Sequence[str]) -> int:
        """Keep waiting tasks from being claimed until ``unhold``; returns how many. Running ones go on."""
        with reachable():
            self._dead_letters.sift(ids)
            return sum(self._store.move_stage(ids, stage, Stage.HELD) for stage in Stage if stage is not Stage.HELD)

    def unhold(self, ids: Sequence[str]) -> int:
        """Let held tasks be claimed; returns how many were held."""
        with reachable():
            self._dead_letters.sift(ids)
            few = len(ids) <= BLOCK
            found = self._store.move_stage(ids, Stage.HELD, Stage.STAGED if few else Stage.UNSTAGED)
            if found and not few:
                self._stager.add_again(ids)
            return found

    def remove(self, ids: Sequence[str]) -> list[str]:
        """Delete tasks and their history for ever, except running ones and those that an online set of any version or
        a prediction refers to. Returns the ids that were deleted.

        Their pool remembers the highest fence: who held a task that was removed does not hold it when it is made again.
        """
        with reachable():
            idle = {"status": {"$ne": RUNNING}}
            serving = self._references.of_tasks(ids)
            if serving:
                log.warning("%d tasks stay, as they serve or served: OnlineManager.reset()", len(serving))
            free = [ident for ident in ids if ident not in serving]
            found = {task["_id"]: task for task in self._store.tasks.find({"_id": {"$in": free}, **idle}, FENCED)}
            for pool in {task["pool"] for task in found.values() if isinstance(task.get("pool"), str)}:
                fences = [task.get("fence") for task in found.values() if task.get("pool") == pool]
                highest = max((fence for fence in fences if isinstance(fence, int)), default=0)  # or corrupted
                # Before the deletion: killed in between, the floor is higher than it need be, which costs nothing.
                changes = {"$max": {"fence": highest}, "$setOnInsert": {"schema": SCHEMA}}
                self._store.pools.update_one({"_id": pool}, changes, upsert=True)
            return [
                ident
                for ident in ids
                if ident in found
                and self._store.tasks.delete_one(
                    {"_id": ident, "fence": found[ident].get("fence"), **idle}
                ).deleted_count
            ]

    def schedule_run(self, ident: str, run: str, attempt: int, before: str | None = None) -> bool:
        """Let the attempt of this number train into a run that is there already.

        Args:
            before: the run that was scheduled when the task was read.

        Returns:
            Whether it will: the attempt still lies ahead, and no other run was scheduled for it meanwhile.
        """
        ahead = {"_id": ident, "status": WAITING, "attempts": attempt - 1, "scheduled_run": before}
        with reachable():
            changes = {"$set": {"scheduled_run": run, "scheduled_for": attempt}}
            return bool(self._store.tasks.update_one(ahead, changes).matched_count)

    def join_round(self, ids: Sequence[str], round_id: str) -> None:
        """Mark tasks as belonging to a round."""
        with reachable():
            self._store.tasks.update_many({"_id": {"$in": list(ids)}}, {"$addToSet": {"rounds": round_id}})
