"""The doorbell: Celery messages over Redis that say "there is work". They may be lost, doubled or late without harm.

A message carries a pool and a task id and nothing else (or a round id, for the gatherer). The truth is in MongoDB.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import redis
from celery import Celery
from celery.backends.base import DisabledBackend
from celery.loaders.app import AppLoader
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES

from rollq.tasks.broker.messages import GATHER, RECONCILE, ROUTINE, TRAIN
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import Unavailable
from rollq.tasks.queue.pools import TaskQueue
from rollq.tasks.rounds.rounds import Rounds, RoundState

log = logging.getLogger(__name__)

GATE = "rollq-redis"  # the name of our transport, as it stands in Celery's log
TRANSPORT_ALIASES[GATE] = "rollq.tasks.broker.transport:Transport"
RING_AGAIN_SECONDS = 2.0  # a message that was not heard for this long, with its queue empty, is taken for lost


def queue_name(queue: str) -> str:
    """The Redis list of a task queue."""
    return f"rollq.queue.{queue}"


class OwnCelery(Celery):  # type: ignore[misc]
    """A Celery application that obeys rollq's settings alone.

    Celery itself prefers ``CELERY_BROKER_URL`` and the like, and those of the user's own Celery project may be there.
    """

    def __init__(self, settings: Settings) -> None:
        self._own_url = _for_kombu(settings.redis_url)
        super().__init__("rollq", set_as_current=False, loader=AppLoader, config_source={"broker_url": self._own_url})

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """A connection to the broker of the settings."""
        return super().connection_for_read(self._own_url, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """A connection to the broker of the settings."""
        return super().connection_for_write(self._own_url, **options)

    def _get_backend(self) -> DisabledBackend:
        return DisabledBackend(app=self)


def _for_kombu(url: str) -> str:
    """``url`` as kombu shows and parses it; the connection itself is made by ``rollq.tasks.broker.transport``."""
    return f"{GATE}+socket://{url.removeprefix('unix://')}" if url.startswith("unix://") else url


def make_app(settings: Settings) -> Celery:
    """The Celery application: JSON only, acknowledged early, no result backend.

    Why: ``docs/decisions/early-acknowledgement.md``.
    """
    app = OwnCelery(settings)
    app.conf.update(
        broker_transport=GATE,
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_queues=[_queue(queue_name(name)) for name in settings.queues] + [_queue(GATHER)],
        task_default_queue=queue_name("default"),
        task_create_missing_queues=True,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,  # a message in a busy worker's hands would wait for it
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_proc_alive_timeout=60.0,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "url": settings.redis_url,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "socket_timeout": 20,
        },
        worker_cancel_long_running_tasks_on_connection_loss=False,
        enable_utc=True,
        timezone="UTC",
    )
    return app


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


class Doorbell:
    """Rings workers for waiting tasks and coordinators for finished rounds."""

    def __init__(self, settings: Settings, tasks: TaskQueue, rounds: Rounds, app: Celery | None = None) -> None:
        self._limit = settings.max_outstanding
        self._url = settings.redis_url
        self._tasks = tasks
        self._rounds = rounds
        self._app = app or make_app(settings)

    def top_up(self, pool: str) -> int:
        """Fill the window of a pool and ring for each task that is new in it; returns how many.

        Raises:
            Unavailable: Redis does not answer. Nothing is lost: a sweep rings again.
        """
        due = self._tasks.next_to_ring(pool, self._limit)
        for ident, queue in due:
            self.ring(pool, ident, queue)
        return len(due)

    def refill(self, pool: str) -> None:
        """Fill the window of a pool, silently: whoever runs its tasks passes the message on."""
        self._tasks.next_to_ring(pool, self._limit)

    def top_up_if_quiet(self, pool: str) -> int:
        """As ``top_up``, but silently where enough messages lie about, so that sweeps do not multiply them."""
        due = self._tasks.next_to_ring(pool, self._limit)
        quiet = {queue for queue in {queue for _, queue in due} if self.depth(queue) < self._limit}
        missed = [(ident, queue) for ident, queue in due if queue in quiet]
        for ident, queue in missed:
            self.ring(pool, ident, queue)
        return len(missed)

    def ring_again(self, pool: str) -> int:
        """Ring again for tasks whose message was lost (Redis was flushed, a worker died with it in hand)."""
        overdue = self._tasks.rung_before(pool, RING_AGAIN_SECONDS)
        lost = [(ident, queue) for ident, queue in overdue if not self.depth(queue)]
        if overdue and not lost and not self._tasks.is_running(pool):
            lost = overdue[:1]  # among the messages of others, this pool's may be missing
        for ident, queue in lost:
            self.ring(pool, ident, queue)
        return len(lost)

    def ring(self, pool: str, ident: str, queue: str) -> None:
        """Ask some worker to look at a pool, preferably at this task."""
        self._send(TRAIN, queue_name(queue), [pool, ident])

    def ring_if_finished(self, pool: str, among: Sequence[str] | None = None) -> list[str]:
        """Ring the coordinator for the open rounds of a pool whose tasks are all finished; returns their ids.

        Args:
            among: look only at these rounds.
        """
        if among is None:
            candidates = [found.id for found in self._rounds.find(pool, [RoundState.OPEN])]
        else:
            candidates = list(among)
        finished = [ident for ident in candidates if not self._tasks.has_active(ident)]
        ready = [ident for ident in finished if self._rounds.may_be_gathered(ident)]
        for ident in ready:
            self.ring_gather(ident)
        return ready

    def ring_again_to_gather(self) -> int:
        """Ring for rounds whose bell was lost or whose gatherer died; returns how many."""
        if self._length(GATHER):
            return 0
        lost = self._rounds.abandoned()
        for ident in lost:
            self.ring_gather(ident)
        return len(lost)

    def ring_gather(self, round_id: str) -> None:
        """Ask some coordinator to gather a round."""
        self._send(GATHER, GATHER, [round_id])

    def repeat(self, name: str, args: list[Any]) -> None:
        """Send a message to coordinators again, for a process that can serve it."""
        self._send(name, GATHER, args)

    def ring_routine(self, strategy: str, session: str) -> None:
        """Ask somebody to bring the routine of a strategy up to a session (``YYYY-MM-DD``)."""
        self._send(ROUTINE, GATHER, [strategy, session])

    def ring_to_reconcile(self) -> int:
        """Ask for loose ends to be tied, if there are some that nobody looks at; now and then, for a search for more.

        Returns:
            How many messages it sent.
        """
        ends = self._tasks.loose_ends
        if not ends.take_due() and not ends.take_search():
            return 0
        self._send(RECONCILE, GATHER, [])
        return 1

    def waiting(self, queues: Sequence[str]) -> int:
        """Messages that wait for a worker that serves ``queues``, those to coordinators included."""
        return sum(self._length(name) for name in [*map(queue_name, queues), GATHER])

    def depth(self, queue: str) -> int:
        """Messages of a task queue that lie in Redis."""
        return self._length(queue_name(queue))

    def _length(self, name: str) -> int:
        try:
            with redis.Redis.from_url(self._url, socket_timeout=5) as client:
                return int(client.llen(name))
        except redis.RedisError as error:
            raise _silent(error) from error

    def _send(self, name: str, queue: str, args: list[Any]) -> None:
        try:
            self._app.send_task(name, args=args, queue=queue, retry=False, ignore_result=True)
        except (OperationalError, redis.RedisError) as error:
            raise _silent(error) from error


def _silent(error: Exception) -> Unavailable:
    return Unavailable(
        f"The broker does not answer: {error}.",
        "Check ROLLQ_REDIS_URL and that Redis runs.",
    )
