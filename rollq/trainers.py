"""Trainers that need no worker: this process trains, predicts and gathers, one task after the other.

They go the way that workers go, through the pool: so a crash loses nothing, and workers may help.
"""

from __future__ import annotations

import os
import time

from rollq.scheduler.rounds.coordinator import gather
from rollq.scheduler.rounds.trainers import DelayTrainer, Trainer
from rollq.scheduler.updates.prediction_tasks import prediction_pool
from rollq.tasks.backend import Backend
from rollq.tasks.ingredients.code_check import refuse_if_stale
from rollq.tasks.rounds.documents import RoundState
from rollq.workers.jobs.attempt import Outcome, WorkerContext, refuse_outage, run_one
from rollq.workers.process.names import worker_name

# In this process nothing else works meanwhile: a short pause only keeps the store from being asked without end.
PAUSE_SECONDS = 0.02


class InProcessTrainer(Trainer):
    """Trains here, now: ``work`` runs one task of the pool, or gathers a finished round."""

    def work(self) -> None:
        """One task, or one gathering; a short pause if there is neither."""
        _work(self._backend, self._pool)

    def has_worker(self) -> bool:
        """No other process is needed."""
        return False


class DelayInProcessTrainer(DelayTrainer):
    """As ``InProcessTrainer``, later and all together."""

    def work(self) -> None:
        """One task, or one gathering; a short pause if there is neither."""
        _work(self._backend, self._pool)

    def has_worker(self) -> bool:
        """No other process is needed."""
        return False


def _work(backend: Backend, pool: str) -> None:
    """Do one piece of work: a prediction task first, because a routine may wait for it, then a task of the pool, then a
    finished round; if there is none, look for lost leases, or rest.
    """
    context = WorkerContext(worker_name(os.getpid()), backend.settings.queues)
    for name in (prediction_pool(pool), pool):
        backend.tasks.next_to_notify(name, backend.settings.max_outstanding)  # no worker is notified: it is done here
        outcome = run_one(backend, name, None, context)
        # A notebook cannot begin anew, as a worker's process does: the person must start it again.
        refuse_if_stale()
        refuse_outage(outcome)
        if outcome is not Outcome.NOTHING:
            return
    if not _gather_one(backend, pool, context.worker) and not backend.tasks.reclaim(context.worker):
        time.sleep(PAUSE_SECONDS)


def _gather_one(backend: Backend, pool: str, by: str) -> bool:
    """Gather a finished round, or one whose gatherer has died; whether there was one."""
    for found in backend.rounds.find(pool, [RoundState.OPEN]):
        if backend.rounds.may_be_gathered(found.id) and not backend.tasks.has_active(found.id):
            gather(backend, found.id, by)
            return True
    # Rounds of other pools, too: no worker may be there to gather them.
    for ident in backend.rounds.abandoned():
        gather(backend, ident, by)
        return True
    return False
