"""The task queue: the only code that reads or writes tasks in a store, as one object.

Its parts share one ``TaskStore``, which owns the collections and the conditional writes: ``TaskReader`` (questions),
``TaskCreator``, ``TaskStager`` (which waiting tasks are next), ``TaskClaims`` (what workers do), ``TaskLosses`` (what
sweeps do), ``TaskAdmission`` (what backfills do) and ``TaskOperations`` (what people do).
"""

from __future__ import annotations

from rollq.tasks.config.settings import Settings
from rollq.tasks.mongo.client import Store
from rollq.tasks.queue.admission import TaskAdmission
from rollq.tasks.queue.claims import TaskClaims
from rollq.tasks.queue.creation import TaskCreator
from rollq.tasks.queue.dead_letters import DeadLetters
from rollq.tasks.queue.losses import TaskLosses
from rollq.tasks.queue.operations import TaskOperations
from rollq.tasks.queue.reader import TaskReader
from rollq.tasks.queue.stager import TaskStager
from rollq.tasks.queue.task_store import TaskStore
from rollq.tasks.tracking.runs.deleted_runs import DeletedRuns
from rollq.tasks.tracking.runs.orphans import Orphans
from rollq.tasks.tracking.runs.references import References


class TaskQueue:
    """The tasks of a store, in pools.

    Each method is that of a part: see there. ``admission`` is for backfills alone, ``reader`` for code that only asks.

    Args:
        store: the MongoDB database.
        settings: lease length, attempts, backoff and losses allowed.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        """The parts, and each of their methods under its own name: bound once, so a call costs no more than the
        part's.
        """
        tasks = TaskStore(store)
        dead_letters = DeadLetters(tasks)
        self.references = References(store)
        self.orphans = Orphans(store)
        self.reader = reader = TaskReader(tasks)
        self.admission = TaskAdmission(tasks, dead_letters)
        stager = TaskStager(tasks, dead_letters)
        claims = TaskClaims(tasks, dead_letters, settings)
        losses = TaskLosses(tasks, reader, dead_letters, self.orphans, settings)
        operations = TaskOperations(tasks, stager, dead_letters, self.orphans, self.references)

        self.ensure_indexes, self.now = tasks.ensure_indexes, tasks.now

        self.pools, self.get, self.find, self.stream = reader.pools, reader.get, reader.find, reader.stream
        self.documents, self.among = reader.documents, reader.among
        self.stat, self.count, self.outlines = reader.stat, reader.count, reader.outlines
        self.has_active, self.is_running, self.holders = reader.has_active, reader.is_running, reader.holders
        self.wants, self.ahead_of = reader.wants, reader.ahead_of

        self.create_tasks = TaskCreator(tasks, stager, DeletedRuns(store), operations).create_tasks

        self.next_to_notify, self.notified_before = stager.next_to_notify, stager.notified_before
        self.queues, self.notified_pools = stager.queues, stager.notified_pools

        self.claim, self.claim_among = claims.claim, claims.claim_among
        self.renew, self.holds, self.lease = claims.renew, claims.holds, claims.lease
        self.commit, self.fail, self.release = claims.commit, claims.fail, claims.release

        self.reclaim, self.excuse = losses.reclaim, losses.excuse

        self.cancel, self.retry, self.reset, self.admit = (
            operations.cancel,
            operations.retry,
            operations.reset,
            operations.admit,
        )
        self.prioritize, self.hold, self.unhold = operations.prioritize, operations.hold, operations.unhold
        self.remove, self.join_round = operations.remove, operations.join_round
        self.schedule_run = operations.schedule_run
