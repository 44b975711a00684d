"""Losses: tasks whose workers are gone are taken back. Only a process that dies without being asked counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollq.tasks.config.settings import Settings
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.expressions import NOW, literal
from rollq.tasks.queue.dead_letters import DeadLetters
from rollq.tasks.queue.reader import TaskReader
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task
from rollq.tasks.queue.task_store import RUNNING, TaskStore
from rollq.tasks.tracking.runs.orphans import Orphans

LOST = dict.fromkeys(("pool", "fence", "losses", "lease", "claimed_from", "started_at"), 1)
ASKED = {"signal 15 (SIGTERM)", "signal 1 (SIGHUP)", "signal 2 (SIGINT)"}  # how a process ends that was asked to


class TaskLosses:
    """What sweeps do with tasks whose holders are gone."""

    def __init__(
        self, store: TaskStore, reader: TaskReader, dead_letters: DeadLetters, orphans: Orphans, settings: Settings
    ) -> None:
        self._store = store
        self._reader = reader
        self._dead_letters = dead_letters
        self._orphans = orphans
        self._settings = settings

    def excuse(self, prefix: str) -> None:
        """Write down that the workers whose names start with ``prefix`` were asked to end.

        If they are killed before they have given their tasks back, that says nothing about the tasks.
        """
        with reachable():
            running = self._store.tasks.find({"status": RUNNING}, {"lease.worker": 1, "fence": 1})
            held = self._dead_letters.decode(running, lambda task: (str(task["lease"]["worker"]), _held(task)))
            for worker, query in held:
                if worker.startswith(prefix):
                    self._store.tasks.update_one(query, {"$set": {"lease.asked": True}})

    def reclaim(
        self,
        by: str,
        dead_workers: Mapping[str, str] | Sequence[str] = (),
        among: Document | None = None,
        *,
        blamed: bool = True,
    ) -> list[Task]:
        """Take back tasks whose lease expired or whose worker is known to be dead: a worker loss.

        Args:
            dead_workers: names of workers that are dead; a mapping says also how each of them ended.
            among: only tasks that this query (of fields of their documents) finds.
            blamed: whether a lease that ran out is a loss; it is none if the store was away: it could not be renewed.

        A worker that was asked to end is no loss either. A task that lost ``max_worker_losses`` workers is QUARANTINED,
        the others wait again.

        Returns:
            The tasks as they are now.
        """
        with reachable():
            # Invalid documents first: one without a lease would end the comprehension below, and with it the sweep.
            self._sift_running()
            now = self._store.now()
            ends = dead_workers if isinstance(dead_workers, Mapping) else {}
            running = self._store.tasks.find(
                {"$and": [{"status": RUNNING}, among]} if among else {"status": RUNNING}, LOST
            )
            lost = [
                document
                for document in running
                if document["lease"]["expires_at"] < now or document["lease"]["worker"] in dead_workers
            ]
            taken = [
                document["_id"]
                for document in lost
                if self._reclaim(document, by, ends, _excuse(document["lease"], dead_workers, blamed))
            ]
            return self._reader.find(ids=taken) if taken else []

    def _sift_running(self) -> None:
        """Whatever else is taken back, an invalid document among the running tasks is dead-lettered first."""
        running = [document["_id"] for document in self._store.tasks.find({"status": RUNNING}, {"_id": 1})]
        if running:
            self._dead_letters.sift(running)

    def _reclaim(self, document: Document, by: str, ends: Mapping[str, str], excuse: str = "") -> bool:
        """Take a task back from the worker whose lease was seen; whether this caller did. Too many losses end it."""
        if excuse:
            return self._take_back(document, by, excuse)
        losses = document["losses"] + 1
        poison = losses >= self._settings.max_worker_losses
        end = TaskState.QUARANTINED if poison else TaskState(document["claimed_from"])
        worker, memory = document["lease"]["worker"], document["lease"].get("memory_mb")
        detail = {"worker": worker, "signal": ends.get(worker, "unknown"), "memory_mb": memory}
        why = f"worker {worker} was lost ({losses} of {self._settings.max_worker_losses})"
        if worker in ends:
            why += f": {ends[worker]}"
        if memory:
            why += f"; it used up to {memory:.0f} MB when it was last seen"
        # No backoff: the worker died, which says little about the task.
        changes: Document = {"lease": None, "losses": losses, "ended_at": NOW}
        if poison:
            changes["error"] = literal({"type": "WorkerLost", "message": why, **detail})
        self._orphans.note(document["_id"], document["pool"], why)
        # The orphan was noted before the cut: killed in between, one note too many is left, and no run that shows
        # RUNNING for ever. The fence is raised, so that a holder that lives after all is refused.
        return self._store.move(_as_seen(document), RUNNING, end, by, why, changes, fence=True)

    def _take_back(self, document: Document, by: str, excuse: str) -> bool:
        """As after a loss, but it does not count."""
        why = f"worker {document['lease']['worker']} {excuse}: that is no loss"
        self._orphans.note(document["_id"], document["pool"], why)
        changes: Document = {"lease": None, "ended_at": NOW}
        claimed_from = TaskState(document["claimed_from"])
        return self._store.move(_as_seen(document), RUNNING, claimed_from, by, why, changes, fence=True)


def _held(document: Document) -> Document:
    return {"_id": document["_id"], "status": RUNNING, "fence": document["fence"]}


def _as_seen(document: Document) -> Document:
    """Finds the very lease that was seen: if it was renewed since, its worker lives."""
    lease = {"lease.expires_at": document["lease"]["expires_at"]}
    return {"_id": document["_id"], "fence": document["fence"], **lease}


def _excuse(lease: Document, dead: Mapping[str, str] | Sequence[str], blamed: bool) -> str:
    """Why the end of a lease does not count as a loss; empty if it does."""
    if lease.get("asked"):
        return "was asked to end, and was killed before it gave the task back"
    ends = dead if isinstance(dead, Mapping) else {}
    if ends.get(lease["worker"]) in ASKED:
        return f"was asked to end ({ends[lease['worker']]})"
    if not blamed and lease["worker"] not in dead:
        return "could not renew its lease while the store was away"
    return ""
