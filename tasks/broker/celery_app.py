"""The Celery application: how messages get to workers. JSON only, acknowledged early, no result backend."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.backends.base import DisabledBackend
from celery.loaders.app import AppLoader
from kombu.entity import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from rollq.tasks.broker.messages import GATHER
from rollq.tasks.config.settings import Settings

GATE = "rollq-redis"  # the name of our transport, as it stands in Celery's log
TRANSPORT_ALIASES[GATE] = "rollq.tasks.broker.transport:Transport"


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
        # A worker takes no message before it can serve it: others may be free.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,  # a message in a busy worker's hands would wait for it
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        # Remote control and events are messages of their own, which the gate would refuse; the registry says who lives.
        worker_enable_remote_control=False,
        # A pool process imports LightGBM, MLflow and pandas before it says that it lives: on a busy machine more than
        # Celery's 4 s.
        worker_proc_alive_timeout=60.0,
        broker_connection_retry_on_startup=True,
        # For ever: a worker outlives its broker, and goes on by itself when that is back.
        broker_connection_max_retries=None,
        broker_transport_options={
            "url": settings.redis_url,
            "socket_keepalive": True,
            # A connection that was cut without a word would else be found only when something is sent.
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
