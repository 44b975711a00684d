"""The sweeper takes back what dead workers held and notifies again of what was lost. Every process may run it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rollq.tasks.backend import Backend
from rollq.tasks.errors import RollqError, Unavailable
from rollq.tasks.mongo.client import is_of_store
from rollq.tasks.queue.dead_letters import SIGNS
from rollq.tasks.upkeep.dependencies import settle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Swept:
    """What one sweep did: tasks taken back, messages sent for tasks, rounds notified of."""

    reclaimed: int
    notified: int
    rounds: int


def sweep(
    backend: Backend, by: str, dead_workers: Mapping[str, str] | Sequence[str] = (), *, blamed: bool = True
) -> Swept:
    """One sweep.

    Args:
        by: who sweeps, for the history.
        dead_workers: names of workers that the caller knows to be dead (and how they ended), so that their leases
            need not run out.
        blamed: as for ``reclaim``.

    Raises:
        Unavailable: the store or the broker does not answer.
    """
    reclaimed = backend.tasks.reclaim(by, dead_workers, blamed=blamed)
    for task in reclaimed:
        log.warning("task %s of pool %s was taken back: it is %s", task.id, task.pool, task.status)
    for ident in backend.backfills.unsettled():
        _apart(backend.backfills.advance, ident)
    notified = gathers = 0
    for pool in backend.tasks.pools():
        notified += _apart(backend.notifier.top_up_if_quiet, pool) + _apart(backend.notifier.notify_again, pool)
        gathers += _apart(lambda pool=pool: len(backend.gather_notifier.notify_if_finished(pool)))
    _apart(backend.notifier.notify_reconciler)
    _apart(settle, backend)
    return Swept(len(reclaimed), notified, gathers + _apart(backend.gather_notifier.notify_again))


def _apart(act: Callable[..., object], *args: object) -> int:
    """Do one part of a sweep; if a document stands in its way, the other parts are done all the same.

    Raises:
        Unavailable: a server does not answer.
    """
    try:
        done = act(*args)
        return int(done) if isinstance(done, int) else 0
    except Unavailable:
        raise
    except (RollqError, *SIGNS) as error:
        log.warning("a part of a sweep was left out: %s", error)
        return 0


class SweepTimer:
    """Sweeps every ``sweep_seconds`` in a thread of this process, whatever happens to the servers in between.

    Args:
        periodic: what else to do each time.
        on_stop: what to do in the end.
    """

    def __init__(
        self,
        backend: Backend,
        by: str,
        dead_workers: Callable[[], Mapping[str, str]] = dict,
        periodic: Sequence[Callable[[], object]] = (),
        on_stop: Callable[[], object] = lambda: None,
    ) -> None:
        """Sweeping itself is the first of the periodic jobs: what it takes back, the others find."""
        self._backend = backend
        self._by = by
        self._dead_workers = dead_workers
        self._periodic = (self._sweep, *periodic)
        self._on_stop = on_stop
        self._stop = threading.Event()
        self._away = False  # whether the store did not answer at the last sweep
        self._thread = threading.Thread(target=self._run, name="rollq-sweeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the sweep at hand."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            for job in self._periodic:
                self._do(job)
            self._stop.wait(self._backend.settings.sweep_seconds)
        self._do(self._on_stop)

    def _do(self, job: Callable[[], object]) -> None:
        try:
            job()
        except RollqError as error:
            log.warning("a sweep was left out: %s", error)
        except Exception:  # whatever it was, the next sweep must come
            log.exception("a sweep was left out")

    def _sweep(self) -> None:
        """Sweep once; leases that ran out while the store was away blame no worker."""
        # Until the ping has come back: should it raise, the next sweep knows that the store was away.
        away, self._away = self._away, True
        self._backend.store.ping()
        self._away = False
        try:
            # While the store was away no worker could renew a lease, however well it is.
            sweep(self._backend, self._by, self._dead_workers(), blamed=not away)
        except Unavailable as error:
            self._away = is_of_store(error)  # the broker's being away hinders no renewal
            raise
