"""Structured logs: human in a terminal, one JSON object a line with ``--log-format json``.

Every line carries the task at hand: ``with log_context(pool=..., task=..., attempt=..., worker=...)``.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from rollq.tasks.files.strict_json import dumps

_context: ContextVar[dict[str, object] | None] = ContextVar("rollq_log_context", default=None)
NOISY = (
    "alembic",
    "celery.worker.strategy",
    "celery.app.trace",
    "mlflow",
    "pymongo",
    "kombu",
    "amqp",
    "git",
    "urllib3",
    "matplotlib",
)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Add ``fields`` to every log line written inside."""
    token = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, context, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **(_context.get() or {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return dumps(line)


class HumanFormatter(logging.Formatter):
    """Time, level, message, and the context in square brackets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a line end."""
        context = " ".join(f"{name}={value}" for name, value in (_context.get() or {}).items())
        line = super().format(record)
        return f"{line} [{context}]" if context else line


def setup_logging(level: str, form: str) -> None:
    """Send the logs of this process to standard error. ``form`` is ``human`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else HumanFormatter())
    root = logging.getLogger()
    # In place of what is there: Celery and MLflow add handlers of their own, and each line would be there twice.
    root.handlers[:] = [handler]
    root.setLevel(level)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # it makes its own handler when it is imported
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
