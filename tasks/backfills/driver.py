"""What drives backfills: it makes their tasks agree with what their documents say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rollq.tasks.backfills.backfill import ACTIVE, CANCELLED, FINISHED, PAUSED, PREPARING, Backfill
from rollq.tasks.backfills.documents import BackfillDocuments
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.expressions import NOW
from rollq.tasks.queue.admission import Position
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task_queue import TaskQueue

NO_LIMIT = 1_000  # without max_active: more than any fleet runs at once, and few enough to be quick
INTERRUPTED = "its creation was interrupted: create it again"
PREPARE_SECONDS = 60.0  # a creator that gave no sign for this long is dead


class BackfillDriver:
    """Lets tasks go, holds them or drops them. Processes may do so at any time, also several at once."""

    def __init__(self, documents: BackfillDocuments, tasks: TaskQueue) -> None:
        self._documents = documents
        self._tasks = tasks

    def advance(self, ident: str) -> int:
        """Do what there is to do for a backfill now; returns how many of its tasks were admitted.

        Never more than ``max_active`` of its tasks wait for a worker or run: see ``_admit``. A backfill that does not
        exist is ignored.

        Raises:
            Unavailable: the store does not answer. The next caller does it.
        """
        found = self._documents.find(ident)
        if found is None or found.settled:
            return 0
        if found.status is ACTIVE:
            return self._admit(found)
        if found.status is PAUSED:
            self._hold(found)
        elif found.status is CANCELLED:
            self.drop(found)
        elif found.touched_at < self._documents.store.now() - timedelta(seconds=PREPARE_SECONDS):
            self._give_up(found)
        return 0

    def _admit(self, found: Backfill) -> int:
        """Admit the next tasks.

        A task is written into the list ``admitted`` first, and leaves it only after it was seen finished. The list is
        changed by one conditional write, so however many callers there are, it is never longer than the limit. What
        stands in it and still pends, because its caller was killed in between, is admitted by the next one.
        """
        limit = found.max_active or NO_LIMIT
        batch = max(1, limit // 32)  # with a high limit several at a time: it costs less
        # The look is an index count; without it each finished task of a large backfill would read and rewrite the whole
        # of `out`.
        if batch > 1 and self._is_full(found, limit - batch):
            return 0
        busy = [task for task in self._tasks.admission.positions_in(found.id, found.admitted) if not task.is_over]
        room = limit - len(busy)
        following = self.upcoming(found, room + len(busy)) if room > 0 else []
        chosen = [task for task in following if task.id not in found.admitted][:room]
        # First `out`, then the tasks: killed in between, a task stands in the list too early, which costs a place and
        # no more.
        if chosen and not self._write_admitted(found, [*busy, *chosen]):
            return self.advance(found.id)  # another caller was faster: see what is left to do
        gone = self._tasks.admission.admit(
            found.id, [task for task in [*busy, *chosen] if task.pending is not None], found.by
        )
        # The cursor is a hint where to look; it is moved last, because behind it hardly any task is looked for.
        self._move_cursor(found, max((task.number + 1 for task in chosen), default=0))
        if not busy and not chosen:
            self._finish(found)
        return gone

    def _is_full(self, found: Backfill, enough: int) -> bool:
        """Whether a cheap look says that there is nothing to do: more than ``enough`` are under way, or all are."""
        busy = self._tasks.admission.under_way(found.id)
        return busy > enough or (busy > 0 and not self.upcoming(found, 1))

    def _write_admitted(self, found: Backfill, tasks: Sequence[Position]) -> bool:
        query = {"_id": found.id, "status": ACTIVE, "step": found.step}
        changes = {"admitted": [task.id for task in tasks], "step": found.step + 1}
        with reachable():
            return bool(self._documents.collection.update_one(query, {"$set": changes}).modified_count)

    def upcoming(self, found: Backfill, count: int) -> list[Position]:
        """At least ``count`` tasks that are next, in order; fewer if there are no more."""
        bound, step = found.cursor + count, count
        while True:
            following = self._tasks.admission.pending(found.id, bound)
            if len(following) >= count or bound >= found.positions:
                return following
            if not following:
                self._move_cursor(found, bound)
            # Twice as far each time: a gap of thousands is crossed in a few looks.
            step *= 2  # a gap: another backfill has those tasks, or they were removed
            bound += step

    def _move_cursor(self, found: Backfill, cursor: int) -> None:
        if cursor <= found.cursor:
            return
        with reachable():
            self._documents.collection.update_one(
                {"_id": found.id, "cursor": {"$lt": cursor}}, {"$set": {"cursor": cursor}}
            )

    def _hold(self, found: Backfill) -> None:
        self._tasks.admission.withdraw(found.id)
        if not self.upcoming(found, 1):
            self._finish(found)

    def drop(self, found: Backfill) -> None:
        """Cancel what a cancelled backfill has not finished: its waiting tasks and, if that is wanted, running ones."""
        self._tasks.admission.drop(found.id, found.positions, found.by)
        if found.cancel_running:
            self._tasks.cancel(self._tasks.admission.running_of(found.id), found.by)
        self._finish(found)

    def _give_up(self, found: Backfill) -> None:
        """Its creator died, and with it the list of the windows that are still missing."""
        ended = self._documents.write(found.id, PREPARING, CANCELLED, {"reason": INTERRUPTED, "ended_at": NOW})
        if ended and (cancelled := self._documents.find(found.id)):
            self.drop(cancelled)

    def _finish(self, found: Backfill) -> None:
        """Settle a backfill whose tasks are all finished, and write down how."""
        if not self._tasks.admission.all_over(found.id):
            return
        counts = dict.fromkeys(map(str, TaskState), 0)
        for group in self._tasks.admission.tally(found.id, {}):
            counts[group["status"]] += group["n"]
        over: Document = {"settled": True, "counts": counts}
        if found.status is CANCELLED:
            with reachable():
                self._documents.collection.update_one({"_id": found.id, "status": CANCELLED}, {"$set": over})
        else:
            self._documents.write(found.id, found.status, FINISHED, {**over, "ended_at": NOW})
