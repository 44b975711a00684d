"""Hands off: what people may not do to runs by hand, because an online set, signals or a task's result needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rollq.tasks.config.settings import load_settings
from rollq.tasks.errors import StateError
from rollq.tasks.mongo.client import Store
from rollq.tasks.runtime import find_running
from rollq.tasks.tracking.runs.deleted_runs import DeletedRuns
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.references import FIX, References
from rollq.tasks.tracking.runs.run import Run
from rollq.tasks.tracking.runs.run_tags import KIND, ROUND, TASK

OURS = (TASK, ROUND, KIND)  # tags of runs that rollq made


def check_hands_off(recorders: Iterable[Run], deed: str) -> None:
    """Refuse to do something to runs that something refers to.

    The task store that the settings name, or that of the stack that runs, is asked. Without one, no run that rollq made
    and finished may be touched.

    Args:
        deed: what was to be done, such as "deleted".

    Raises:
        StateError: something refers to one of them, or may do so.
        Unavailable: the task store does not answer.
    """
    found = list(recorders)
    with _store() as store:
        if store is None:
            _refuse_ours(found, deed)
        else:
            References(store).check_runs([recorder.id for recorder in found], deed)


def check_deletion(recorders: Iterable[Run], deed: str) -> None:
    """Refuse to delete runs that serve, or ever served, or that an open round waits for.

    A run that only holds the result of a finished task may go: the task is trained anew when it is asked for again.

    Args:
        deed: what was to be done, such as "deleted".

    Raises:
        StateError, Unavailable: as ``check_hands_off``.
    """
    found = list(recorders)
    with _store() as store:
        if store is None:
            _refuse_ours(found, deed)
            return
        references, runs = References(store), [recorder.id for recorder in found]
        references.check_serving(runs, deed)
        DeletedRuns(store).note(references.tasks_of(runs))


def _refuse_ours(recorders: Iterable[Run], deed: str) -> None:
    """Without a task store nothing is known of what rollq made and finished."""
    for recorder in recorders:
        if recorder.status is RecorderStatus.FINISHED and not recorder.tags.keys().isdisjoint(OURS):
            raise StateError(
                f"Run {recorder.id} cannot be {deed}: there is no task store to ask whether a model of it serves.",
                f"{FIX} Set ROLLQ_MONGO_URI, or start the stack with `rollq up`.",
            )


@contextmanager
def _store() -> Iterator[Store | None]:
    """The task store; None if none is configured and no stack runs."""
    settings = load_settings()
    if not settings.mongo_uri and (running := find_running(settings.state_dir)):
        settings = running.settings(settings)
    if not settings.mongo_uri:
        yield None
        return
    store = Store.of(settings)
    try:
        yield store
    finally:
        store.close()
