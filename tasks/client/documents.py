"""Tasks as Qlib's users write and read them: as documents ``{def, filter, status, priority, res, _id}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollq.tasks.client.queries import as_state
from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import BadInput
from rollq.tasks.mongo.client import Document
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task

DEFINITION, FILTER, STATUS, PRIORITY, RESULT, IDENT = "def", "filter", "status", "priority", "res", "_id"
WRITTEN = (DEFINITION, FILTER, STATUS, PRIORITY)  # what a new document may say


class Inserted(str):
    """The id of a task that was inserted; ``inserted_id`` is the same, as pymongo's results have it."""

    __slots__ = ()

    @property
    def inserted_id(self) -> str:
        """The id."""
        return str(self)


class TaskCounts(dict[TaskState, int]):
    """How many tasks are in each state; a state may be named in any case (the reference writes ``waiting``)."""

    def __missing__(self, name: object) -> int:
        """By another spelling of the state.

        Raises:
            BadInput: there is no such state.
        """
        return dict.get(self, as_state(name), 0)

    def get(self, name: object, default: Any = None) -> Any:
        """The count of a state, however it is spelled."""
        try:
            return self[as_state(name)]
        except BadInput:
            return default


def ident_of(task: object) -> str:
    """The id of a task that is given as such, as a document, or by its id."""
    if isinstance(task, Task):
        return task.id
    return str(task.get(IDENT) if isinstance(task, Mapping) else task)


def idents_of(tasks: object) -> list[str]:
    """As ``ident_of``, of one task or of several."""
    return [ident_of(one) for one in (tasks if isinstance(tasks, list | tuple | set) else [tasks])]


def new_task(given: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Definition and options of a new task, from its definition or from a whole document.

    Raises:
        BadInput: the document says what a new task cannot have.
    """
    if DEFINITION not in given:
        return given, {}
    for name in given:
        if name not in WRITTEN:
            raise BadInput(f"A new task cannot have {name!r}.", did_you_mean(str(name), WRITTEN))
    if STATUS in given and as_state(given[STATUS]) is not TaskState.WAITING:
        raise BadInput(f"A new task is WAITING, not {given[STATUS]}.", "Leave the status out.")
    return given[DEFINITION], {PRIORITY: given[PRIORITY]} if PRIORITY in given else {}


def as_stored(document: Document) -> dict[str, Any]:
    """A document as the store holds it, with the reference's names beside rollq's own."""
    definition = document.get("definition")
    return {**document, DEFINITION: definition, FILTER: definition, RESULT: document.get("result")}
