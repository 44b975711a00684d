"""What workers repair by themselves, on demand: lost leases, rounds whose message was lost, runs of dead attempts.

``rollq doctor`` shows it, ``rollq doctor --repair`` does it, here and now, whether or not a worker lives.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from rollq.health.check import Check
from rollq.health.documents import FIX, unreadable
from rollq.health.failed import failed_check
from rollq.health.serving import serving_check
from rollq.scheduler.reconciler import OrphanedRun, close, resolve_orphans, survey
from rollq.scheduler.rounds.coordinator import gather
from rollq.tasks.backend import Backend
from rollq.tasks.client.unserved import unserved
from rollq.tasks.queue.states import TaskState
from rollq.tasks.rounds.documents import RoundState

SHOWN = 5  # examples named in one line
START = "Start a worker or beat, which do it by themselves, or run `rollq doctor --repair`."


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: what was found, one line each, and how it is repaired."""

    name: str
    good: str
    found: tuple[str, ...]
    repair: Callable[[], object] | None = None
    fix: str = START

    def check(self, repaired: bool) -> Check:
        """As a line of the doctor."""
        more = f" and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        what = "; ".join(self.found[:SHOWN]) + more
        if not self.found:
            return Check(self.name, True, self.good)
        if repaired and self.repair:
            return Check(self.name, True, f"repaired: {what}")
        return Check(self.name, False, what, self.fix)


def look_at_work(backend: Backend, repair: bool) -> list[Check]:
    """What is to be repaired in the work; with ``repair`` it is repaired, in this order.

    Raises:
        Unavailable: store, broker or MLflow does not answer.
    """
    checks = []
    for look in (_documents, _leases, _rounds, _runs, _unserved):
        finding = look(backend)
        if repair and finding.found and finding.repair:
            finding.repair()
        checks.append(finding.check(repair))
    return [*checks, serving_check(backend, repair), failed_check(backend)]


def _documents(backend: Backend) -> Finding:
    return Finding("documents", "every document can be read", unreadable(backend), fix=FIX)


def _leases(backend: Backend) -> Finding:
    now = backend.tasks.now()
    running = backend.tasks.find(status=[TaskState.RUNNING])
    lost = [task for task in running if task.lease_expires_at and task.lease_expires_at < now]
    found = tuple(f"task {task.id}: the lease of {task.worker} has run out" for task in lost)
    return Finding("leases", "every running task has a live worker", found, lambda: _take_back(backend))


def _take_back(backend: Backend) -> None:
    taken = backend.tasks.reclaim(f"doctor on {socket.gethostname()}")
    for pool in {task.pool for task in taken}:
        backend.notifier.top_up(pool)


def _rounds(backend: Backend) -> Finding:
    """Rounds whose notification was lost, or whose coordinator has died."""
    ready = [
        found
        for found in backend.rounds.find(status=[RoundState.OPEN])
        if not backend.tasks.has_active(found.id) and backend.rounds.may_be_gathered(found.id)
    ]
    idents = [*(found.id for found in ready), *backend.rounds.abandoned()]
    found = tuple(f"round {ident}: its tasks are finished, no coordinator gathers it" for ident in idents)
    by = f"doctor on {socket.gethostname()}/{os.getpid()}"
    repair = lambda: [gather(backend, ident, by) for ident in idents]  # noqa: E731 - a step, not a function of its own
    return Finding("rounds", "every finished round is gathered", found, repair)


def _runs(backend: Backend) -> Finding:
    """MLflow runs that dead attempts and processes of this host left RUNNING, and orphaned runs that were noted
    before.
    """
    found_runs = survey(backend)
    orphaned = found_runs.orphaned
    ends = backend.tasks.orphans.all()
    found = (
        *(f"MLflow run {run.recorder.id} shows RUNNING, but {run.why}" for run in orphaned),
        *(f"the runs of task {end.task_id} are not closed yet: {end.why}" for end in ends),
    )
    good = "no dead attempt or process shows RUNNING in MLflow"
    if found_runs.elsewhere:
        hosts = ", ".join(f"{count} on {host or 'an unknown host'}" for host, count in found_runs.elsewhere.items())
        good += f"; of other hosts and containers nothing can be said from here: {hosts}"
    return Finding("runs", good, found, lambda: _close(backend, orphaned))


def _close(backend: Backend, orphaned: list[OrphanedRun]) -> None:
    # What was noted comes first: it closes runs with the reason of that time.
    resolve_orphans(backend)
    for run in orphaned:
        close(backend, run)


def _unserved(backend: Backend) -> Finding:
    """What waiting tasks want and no live worker serves: nothing that could be repaired from here."""
    alive = sum(worker.alive for worker in backend.worker_registry.workers())
    found = tuple(str(one) for one in unserved(backend))
    return Finding("workers", f"{alive} live; every waiting task has one that can take it", found, None, "As it says.")
