"""The notifier: Celery messages over Redis that say "there is work". They may be lost, doubled or late without harm.

A message carries a pool and a task id and nothing else (or a round id, for the gatherer). The truth is in MongoDB. What
changes tasks does not notify by itself: its caller does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from rollq.tasks.broker.celery_app import make_app, queue_name
from rollq.tasks.broker.messages import GATHER, RECONCILE, ROUTINE, TRAIN
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import Unavailable
from rollq.tasks.queue.task_queue import TaskQueue

log = logging.getLogger(__name__)

LOST_SECONDS = 2.0  # a message that was not received for this long, with its queue empty, is taken for lost


class Notifier:
    """Notifies workers of waiting tasks, and coordinators of finished rounds, due routines and orphaned runs."""

    def __init__(self, settings: Settings, tasks: TaskQueue, app: Celery | None = None) -> None:
        self._limit = settings.max_outstanding
        self._url = settings.redis_url
        self._tasks = tasks
        self._app = app or make_app(settings)

    def top_up(self, pool: str) -> int:
        """Stage tasks of a pool and notify of each that is new among the best; returns how many.

        Raises:
            Unavailable: Redis does not answer. Nothing is lost: a sweep notifies again.
        """
        due = self._tasks.next_to_notify(pool, self._limit)
        for ident, queue in due:
            self.notify(pool, ident, queue)
        return len(due)

    def try_top_up(self, pool: str) -> None:
        """As ``top_up``; where that cannot be done now, it is left to the next sweep."""
        try:
            self.top_up(pool)
        except Unavailable as error:
            log.warning("a sweep notifies of the tasks: %s", error)

    def refill(self, pool: str) -> None:
        """As ``top_up``, but silently: the process that runs the pool's tasks passes its message on."""
        self._tasks.next_to_notify(pool, self._limit)

    def top_up_if_quiet(self, pool: str) -> int:
        """As ``top_up``, but silently where enough messages lie about, so that sweeps do not multiply them."""
        due = self._tasks.next_to_notify(pool, self._limit)
        quiet = {queue for queue in {queue for _, queue in due} if self.depth(queue) < self._limit}
        missed = [(ident, queue) for ident, queue in due if queue in quiet]
        for ident, queue in missed:
            self.notify(pool, ident, queue)
        return len(missed)

    def notify_again(self, pool: str) -> int:
        """Notify again of tasks whose message was lost (Redis was flushed, a worker died with it in hand)."""
        overdue = self._tasks.notified_before(pool, LOST_SECONDS)
        lost = [(ident, queue) for ident, queue in overdue if not self.depth(queue)]
        # One message is enough: the process that takes it passes it on while tasks wait.
        if overdue and not lost and not self._tasks.is_running(pool):
            lost = overdue[:1]  # among the messages of others, this pool's may be missing
        for ident, queue in lost:
            self.notify(pool, ident, queue)
        return len(lost)

    def notify(self, pool: str, ident: str, queue: str) -> None:
        """Ask some worker to look at a pool, preferably at this task."""
        self._send(TRAIN, queue_name(queue), [pool, ident])

    def notify_gather(self, round_id: str) -> None:
        """Ask some coordinator to gather a round."""
        self._send(GATHER, GATHER, [round_id])

    def notify_routine(self, strategy: str, session: str) -> None:
        """Ask some coordinator to bring the routine of a strategy up to a session (``YYYY-MM-DD``)."""
        self._send(ROUTINE, GATHER, [strategy, session])

    def notify_reconciler(self) -> int:
        """Ask for orphans to be resolved, if some are due; now and then, for a search for more.

        Returns:
            How many messages it sent.
        """
        ends = self._tasks.orphans
        if not ends.take_due() and not ends.take_search():
            return 0
        self._send(RECONCILE, GATHER, [])
        return 1

    def repeat(self, name: str, args: Sequence[object]) -> None:
        """Send a message to coordinators again, for a process that can serve it."""
        self._send(name, GATHER, args)

    def waiting(self, queues: Sequence[str]) -> int:
        """Messages that wait for a worker that serves ``queues``, those to coordinators included."""
        return sum(self._length(name) for name in [*map(queue_name, queues), GATHER])

    def depth(self, queue: str) -> int:
        """Messages of a task queue that lie in Redis."""
        return self._length(queue_name(queue))

    def depth_of_gather(self) -> int:
        """Messages to coordinators that lie in Redis."""
        return self._length(GATHER)

    def _length(self, name: str) -> int:
        if not self._url:
            return 0
        try:
            with redis.Redis.from_url(self._url, socket_timeout=5) as client:
                return int(client.llen(name))
        except redis.RedisError as error:
            raise _silent(error) from error

    def _send(self, name: str, queue: str, args: Sequence[object]) -> None:
        if not self._url:  # no broker is set: the process that asks does the work itself
            return
        try:
            # Without a retry: the caller may hold a lease, and a sweep sends again what is not sent now.
            self._app.send_task(name, args=list(args), queue=queue, retry=False, ignore_result=True)
        except (OperationalError, redis.RedisError) as error:
            raise _silent(error) from error


def _silent(error: Exception) -> Unavailable:
    return Unavailable(
        f"The broker does not answer: {error}.",
        "Check ROLLQ_REDIS_URL and that Redis runs.",
    )
