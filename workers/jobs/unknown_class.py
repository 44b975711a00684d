"""A task that names a class which this worker does not know: the worker is older than the settings, or has no app dir.

The task is not at fault, so it is left to workers that know the class, and no attempt is used up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rollq.tasks.backend import Backend
from rollq.tasks.client.unserved import lacks
from rollq.tasks.components.registry import note_added
from rollq.tasks.config.settings import current_settings, load_settings
from rollq.tasks.errors import NotYet, SettingsError, UnknownClass
from rollq.tasks.failures import Kind, wait_after
from rollq.tasks.queue.prefetch import Claim

T = TypeVar("T")
FIX = "Restart the workers, or register it (components in rollq.toml)."


def with_classes(backend: Backend, claim: Claim, work: Callable[[], T]) -> T:
    """What ``work`` returns; it is done again if the settings, read anew, know the class that it lacked.

    Raises:
        NotYet: they do not.
    """
    try:
        return work()
    except UnknownClass as error:
        lacked = error
    worker = claim.worker.rpartition("/")[0]  # of the process
    if _read_settings_anew():
        try:
            found = work()
        except UnknownClass as error:
            lacked = error
        else:
            backend.worker_registry.note_class(worker, lacked.name, known=True)
            return found
    backend.worker_registry.note_class(worker, lacked.name, known=False)
    # Longer each time, as after an outage: every idle process that lacks the class would else claim it again and again.
    wait = wait_after(Kind.OUTAGE, max(1, claim.attempt - claim.failures))
    raise NotYet(f"worker {worker} {lacks(lacked.name)}", FIX, wait) from lacked


def _read_settings_anew() -> bool:
    """Whether the settings can be read now; what they name as components is registered in this process."""
    try:
        note_added(load_settings().components)
    except SettingsError:  # the file is being written, or is wrong
        return False
    current_settings.cache_clear()
    return True
