"""Bare Celery: no-op tasks, prefork, acknowledged early, no result. Two processes as a worker of rollq has them."""

from __future__ import annotations

import sys

from celery import Celery

from rollq.tasks.config.settings import load_settings

QUEUE = "bare"


def make_app(url: str) -> Celery:
    """The application; everything else is Celery's default."""
    app = Celery("bare", broker=url, set_as_current=False)
    app.conf.update(task_ignore_result=True, task_default_queue=QUEUE, worker_hijack_root_logger=False)

    def noop(pool: str, ident: str) -> None:
        """Nothing."""

    app.task(name="bare.noop", shared=False)(noop)
    return app


if __name__ == "__main__":
    settings = load_settings()
    worker = make_app(settings.redis_url).Worker(
        concurrency=settings.concurrency,
        pool="prefork",
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    worker.start()
    sys.exit(worker.exitcode)
