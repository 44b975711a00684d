"""What helps after a failure: the steps depend on whether the template, the data or the model is to blame."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rollq.tasks.backend import Backend
from rollq.tasks.components.user_code import place_of
from rollq.tasks.errors import BadInput, DataError, RollqError
from rollq.tasks.failures import described
from rollq.tasks.queue.states import LOST
from rollq.tasks.queue.task import Task

log = logging.getLogger(__name__)

TEMPLATE = {"TemplateError", "ComponentError", "SegmentError", "CalendarError", "BadInput"}
DATA = "DataError"
REPLACE = "Correct the template, then `rollq online add TEMPLATE --replace`: the session is planned anew."
REPAIR = "Repair the data, or accept what is odd (`rollq data check TEMPLATE`, --accept); the routine tries it again."


def steps_after(tasks: Sequence[Task], routine: bool = False) -> str:
    """What to do about tasks that are not DONE.

    Args:
        routine: they were made by the routine of a strategy.
    """
    kinds = {str((task.error or {}).get("type", "")) for task in tasks}
    said = ["See `rollq tasks show ID`."]
    if kinds & TEMPLATE:
        said.append(REPLACE if routine else "Correct the template and enqueue it again.")
    if DATA in kinds:
        said.append(REPAIR if routine else "Repair the data, or accept what is odd, then `rollq tasks retry ID`.")
    if kinds - TEMPLATE - {DATA}:
        said.append("Repair the cause, such as the model's code, then `rollq tasks retry ID`.")
    return " ".join(said)


def steps_after_error(error: BaseException) -> str:
    """What to do about an error of a routine itself; empty where its own fix is all."""
    if isinstance(error, DataError):
        return REPAIR
    return REPLACE if isinstance(error, BadInput) else ""


def reason_of(error: BaseException, what: str) -> str:
    """What has failed, in words.

    Args:
        what: what was worked with, for an error of rollq itself that has no message.
    """
    if isinstance(error, RollqError):
        return str(error)
    if place := place_of(error):  # an own strategy, dataset, model, or class of an own artifact
        return f"{described(error)} ({place})"
    log.debug("it failed", exc_info=error)
    return f"{what} is corrupted ({described(error)})."  # it has another form than rollq gives it


def try_data_again(backend: Backend, pool: str, ids: Sequence[str], by: str) -> bool:
    """Let tasks wait again that failed for their data, if no others failed; whether there are any."""
    lost = [task for task in backend.tasks.find(ids=ids) if task.status in LOST]
    # One that failed for another cause would fail again, and hide behind those that are tried.
    if not lost or any((task.error or {}).get("type") != DATA for task in lost):
        return False
    again = backend.tasks.retry([task.id for task in lost], by)
    backend.rounds.reopen(pool, again)
    return bool(again)
