"""Plans: the tasks that a strategy wants to be trained, and what was planned last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollq.tasks.definition import MEMBER, VARIANT, Definition
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rolling.task_options import TaskOptions
from rollq.tasks.rounds.purpose import Serve


@dataclass(frozen=True)
class Plan:
    """Tasks to train for a strategy, and the sessions (``YYYY-MM-DD``) that their predictions must cover.

    ``options`` are keywords of ``Trainer``: how the tasks are to be run. ``session`` is the clock by which the plan was
    made; empty where a whole range was cut at once. ``remarks`` say which models were left out, and why.
    """

    strategy: str
    definitions: tuple[Definition, ...]
    sessions: tuple[str, ...]
    options: TaskOptions = field(default_factory=TaskOptions)
    session: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def purpose(self) -> Serve:
        """What a coordinator needs to know about the round of these tasks."""
        return Serve(self.strategy, self.sessions, self.session, members=self.members)

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the models that are trained, where several serve together."""
        return tuple(dict.fromkeys(filter(None, map(member_of, self.definitions))))


@dataclass(frozen=True)
class Latest:
    """The newest windows that were planned: when they begin, and the task of each variant, or member."""

    start: str
    tasks: Mapping[str, str] = field(default_factory=dict)


def variant_of(definition: Mapping[str, object]) -> str:
    """Which variant of its strategy a definition is."""
    return str(definition.get(VARIANT, BASE))


def member_of(definition: Mapping[str, object]) -> str:
    """Which of the models it is that serve together; empty if it serves alone."""
    return str(definition.get(MEMBER, ""))
