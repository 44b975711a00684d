"""Questions about tasks in the form that Qlib's users write: a mapping of MongoDB filters over documents.

Only names and operators that say something about a task are let through: a query cannot run code on the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import BadInput
from rollq.tasks.identity import canonical, task_key
from rollq.tasks.mongo.client import Document
from rollq.tasks.queue.states import TaskState

# What a document calls what the reference calls so.
NAMES = {"_id": "_id", "id": "_id", "def": "definition", "filter": "definition", "res": "result"}
SAME = ("status", "priority", "queue", "definition", "result", "error", "segments", "attempts", "failures", "losses")
PLAIN = ("definition", "result", "segments")  # what documents hold as plain JSON
OPERATORS = {"$in", "$nin", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$exists"}
JOINTS = {"$and", "$or", "$nor"}


def translate(query: Mapping[str, object] | None) -> Document:
    """The query over our documents.

    Raises:
        BadInput: a name or an operator is unknown.
    """
    if query is not None and not isinstance(query, Mapping):
        raise BadInput(f"A query is a mapping, not {query!r}.", 'Write {"status": "DONE"}, for example.')
    return dict(_part(str(name), value) for name, value in (query or {}).items())


def _part(name: str, value: object) -> tuple[str, object]:
    """One field of a query under its name in the documents; joints hold queries of their own."""
    if name in JOINTS:
        if not isinstance(value, list | tuple) or not value:
            raise BadInput(f"{name} needs a list of queries.", 'Write {"$or": [{...}, {...}]}.')
        return name, [translate(one) for one in value]
    first, dot, rest = name.partition(".")
    known = {**NAMES, **{same: same for same in SAME}}
    # A `$` in a path would be an operator, such as `$where`, which runs code on the server.
    if first not in known or not re.fullmatch(r"[^$\x00]*", rest):
        raise BadInput(f"A query cannot ask for {name!r}.", did_you_mean(first, known))
    target = known[first]
    if target == "definition" and not rest and isinstance(value, Mapping) and not _operators(value):
        return "key", task_key(value)  # found by what it is: the order of its keys does not matter
    return f"{target}{dot}{rest}", _value(target, value)


def _value(target: str, value: object) -> object:
    """What a field is compared with, in the form in which documents hold it."""
    if isinstance(value, Mapping) and _operators(value):
        unknown = sorted(set(value) - OPERATORS)
        if unknown:
            raise BadInput(f"A query cannot use {unknown[0]!r}.", f"Known: {', '.join(sorted(OPERATORS))}.")
        return {name: _value(target, item) for name, item in value.items()}
    if target == "status":
        return [_state(item) for item in value] if isinstance(value, list | tuple) else _state(value)
    if target == "_id":
        return [str(item) for item in value] if isinstance(value, list | tuple) else str(value)
    # As documents hold it: dates as text, pairs as lists.
    return canonical(value, target) if target in PLAIN else value


def _operators(value: Mapping[str, object]) -> bool:
    return any(str(name).startswith("$") for name in value)


def as_state(name: object) -> TaskState:
    """A task state by its name, in any case (the reference writes ``waiting``).

    Raises:
        BadInput: there is no such state.
    """
    text = str(name).upper()
    if not isinstance(name, str) or text not in list(TaskState):
        raise BadInput(f"There is no task state {name!r}.", did_you_mean(text, list(TaskState)))
    return TaskState(text)


def _state(value: object) -> object:
    """A state in a query; what is no text stays as it is."""
    return as_state(value) if isinstance(value, str) else value
