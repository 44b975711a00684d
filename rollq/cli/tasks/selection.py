"""Which tasks a verb is about: ids, or filters; the same options for every verb."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from rollq.cli.values import amount, check_pool

if TYPE_CHECKING:
    from rollq.tasks.backend import Backend
    from rollq.tasks.queue.states import TaskState
    from rollq.tasks.queue.task import Task

IDS = Annotated[list[str] | None, typer.Argument(help="Task ids, which may be shortened; or use the filters")]
POOL = Annotated[str | None, typer.Option("--pool", help="Only this pool")]
STATUS = Annotated[str | None, typer.Option("--status", help="Only these states, with commas")]
WINDOW = Annotated[str | None, typer.Option("--window", help="Only tasks whose test segment holds this session")]
MODEL = Annotated[str | None, typer.Option("--model", help="Only this model class")]
OLDER = Annotated[
    float | None,
    typer.Option("--older-than", callback=amount, help="Only tasks created more than so many hours ago"),
]
ERROR = Annotated[str | None, typer.Option("--error", help="Only tasks whose error holds this text, in any case")]
YES = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]


@dataclass(frozen=True)
class Selection:
    """What was given on the command line."""

    ids: Sequence[str] | None = None
    pool: str | None = None
    status: str | None = None
    window: str | None = None
    model: str | None = None
    older_than: float | None = None
    error: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it would mean every task there is."""
        return not any((self.ids, self.pool, self.status, self.window, self.model, self.error)) and not self.older_than

    def find(self, backend: Backend, limit: int = 0) -> list[Task]:
        """The tasks.

        Raises:
            NotFound: there is no task with one of the ids.
            BadInput: a filter makes no sense, or ids and filters are mixed.
        """
        from rollq.tasks.errors import BadInput

        filters = self._filters()
        if self.ids and any(value is not None for value in filters.values()):
            raise BadInput("Ids and filters cannot be mixed.", "Give ids, or filters.")
        check_pool(backend, self.pool)
        if self.ids:
            return [backend.tasks.get(ident) for ident in self.ids]
        return backend.tasks.find(**filters, limit=limit)

    def find_some(self, backend: Backend) -> list[Task]:
        """The tasks that are to be changed: the command line must say which.

        Raises:
            BadInput: nothing was said, or it makes no sense.
            NotFound: nothing was found.
        """
        from rollq.tasks.errors import BadInput, NotFound

        if self.is_empty:
            raise BadInput("Which tasks?", "Give ids, or filters such as --pool NAME --status failed.")
        found = self.find(backend)
        if not found:
            raise NotFound("No task is like that.", "Look with `rollq tasks list` and the same filters.")
        return found

    def _filters(self) -> Filters:
        return {
            "pool": self.pool,
            "status": states_of(self.status),
            "window": session_of(self.window),
            "model": self.model,
            "older_than": None if self.older_than is None else self.older_than * 3600,
            "error": self.error,
        }


class Filters(TypedDict):
    """Keywords of ``TaskReader.find``."""

    pool: str | None
    status: list[TaskState] | None
    window: str | None
    model: str | None
    older_than: float | None
    error: str | None


def states_of(text: str | None) -> list[TaskState] | None:
    """Task states from text with commas.

    Raises:
        BadInput: there is no such state.
    """
    from rollq.tasks.client.queries import as_state

    return None if text is None else [as_state(name.strip()) for name in text.split(",")]


def session_of(text: str | None) -> str | None:
    """A session as ``YYYY-MM-DD``.

    Raises:
        BadInput: it is no date.
    """
    from datetime import date

    from rollq.tasks.errors import BadInput

    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadInput(f"{text!r} is not a date.", "Write it as YYYY-MM-DD.") from None


def confirm(question: str, yes: bool) -> None:
    """Ask before something is destroyed, unless ``yes`` was said.

    Raises:
        BadInput: there is no person to ask.
    """
    from rollq.tasks.errors import BadInput

    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"{question} There is no terminal to ask on.", "Add --yes.")
    typer.confirm(question, abort=True, err=True)
