"""Tags of the runs that rollq makes: which attempt or round a run belongs to, and what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

POOL, TASK, ATTEMPT, FENCE, WORKER = ("rollq.pool", "rollq.task", "rollq.attempt", "rollq.fence", "rollq.worker")

# Of runs that hold no model, but the signals of a round or of a strategy.
ROUND, STRATEGY, KIND = "rollq.round", "rollq.strategy", "rollq.kind"

# As the reference calls them: how far a training is, and of which task.
TRAIN_STATUS, BEGIN, END = "train_status", "begin_task_train", "end_task_train"
TASK_OF_POOL = "_id in TaskManager"

# Of runs that were brought along from another program: the id that the run had there; and, once all of it is written,
# when that was.
SOURCE_RUN, IMPORTED = "rollq.source_run", "rollq.imported"

NO_TAGS: Mapping[str, str] = {}
_current: ContextVar[Mapping[str, str]] = ContextVar("rollq_attempt", default=NO_TAGS)


@contextmanager
def tagged(tags: Mapping[str, str]) -> Iterator[None]:
    """Runs that are begun inside the block, of whatever experiment, carry these tags."""
    before = _current.set(tags)
    try:
        yield
    finally:
        _current.reset(before)


def current_tags() -> Mapping[str, str]:
    """The tags of the attempt that this code is part of; none outside of ``tagged``."""
    return _current.get()
