"""Which round a plan is: the same tasks with the same results, for the same purpose, are the same round.

So enqueuing a template again makes no second round, and no second version of what serves.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.rounds.findings import findings
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound
from rollq.tasks.queue.states import LOST, TaskState
from rollq.tasks.rounds.documents import Round, RoundState
from rollq.tasks.rounds.purpose import Purpose, Research

GOING_ON = (RoundState.OPEN, RoundState.GATHERING)


@dataclass(frozen=True)
class Wanted:
    """A round as a caller wants it."""

    pool: str
    task_ids: tuple[str, ...]
    purpose: Purpose
    policy: str = "all"
    after: tuple[str, ...] = ()

    def ident(self, number: int) -> str:
        """The id of its ``number``-th round: the same for all who ask, so two who ask at once open one."""
        parts = [self.pool, self.task_ids, asdict(self.purpose), self.policy, self.after, number]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def known_round(backend: Backend, wanted: Wanted) -> tuple[str, bool]:
    """The id of the round that ``wanted`` is, and whether there is nothing left to do for it.

    It is a new one if there was none, if its tasks were made or trained again since, or if it can be gathered now.
    """
    known = [
        found
        for found in backend.rounds.find(wanted.pool)
        if (found.task_ids, found.purpose) == (wanted.task_ids, wanted.purpose)
    ]
    # The newest first: an earlier one is what it was before the tasks were trained again.
    for found in reversed(known):
        asked_alike = (found.policy, found.after) == (wanted.policy, wanted.after)
        if found.status in GOING_ON and asked_alike:
            return found.id, False
        if found.status is RoundState.GATHERED and _as_gathered(backend, found):
            return found.id, True
        if found.status is RoundState.FAILED and asked_alike and not _can_be_gathered(backend, found):
            return found.id, True
    # The number of known rounds is in the id: when the same is wanted anew, it is another round.
    return wanted.ident(len(known)), False


def begun_round(backend: Backend, ident: str) -> Round | None:
    """A round with this id, if a process that died since has made it; its tasks know that they belong to it."""
    try:
        found = backend.rounds.get(ident)
    except NotFound:
        return None
    # Once more, because the process that opened it may have died before it did so.
    backend.tasks.join_round(found.task_ids, ident)
    return found


def _as_gathered(backend: Backend, found: Round) -> bool:
    """Whether the tasks of a gathered round have the results that it was made of."""
    tasks = backend.tasks.find(ids=found.task_ids)
    # A task that is removed or trained again makes it another round, whatever it came to.
    if len(tasks) < len(found.task_ids) or not all(task.status.is_terminal for task in tasks):
        return False
    runs = {str((task.result or {}).get("recorder_id")) for task in tasks if task.status is TaskState.DONE}
    return runs == _runs(backend, found)


def _runs(backend: Backend, found: Round) -> set[str]:
    if isinstance(found.purpose, Research):
        return set(findings(backend, found).runs)
    online = OnlineSets(backend.store).of_round(found.id)
    return {model.recorder_id for model in online.models} if online else set()


def _can_be_gathered(backend: Backend, found: Round) -> bool:
    """Whether a failed round would be gathered, or trained, if it were opened now."""
    tasks = backend.tasks.find(ids=found.task_ids)
    return all(task.status not in LOST for task in tasks)
