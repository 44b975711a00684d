"""``per`` of a template: one model for each value of a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError

KEY = "per"
COLUMN, SESSIONS = "column", "sessions"
LEAST = 20  # sessions with a label, before a value has a model


@dataclass(frozen=True)
class Per:
    """By which column models are divided, and on how many sessions of train a value must have labels to have a model.

    Of a train segment that is shorter, on all of its sessions.
    """

    column: str
    sessions: int = LEAST

    @classmethod
    def of(cls, written: object) -> Self | None:
        """What a template says: the name of a column, or ``{column, sessions}``; None: nothing.

        Raises:
            TemplateError: it is something else.
        """
        if written is None:
            return None
        given = {COLUMN: written} if isinstance(written, str) else written
        if not isinstance(given, Mapping):
            raise TemplateError(f"{written!r} is no column.", "Write per: zone.", KEY)
        for name in given:
            if name not in (COLUMN, SESSIONS):
                raise TemplateError(
                    f"unknown key {name!r}.", did_you_mean(str(name), {COLUMN, SESSIONS}), f"{KEY}.{name}"
                )
        column, sessions = given.get(COLUMN), given.get(SESSIONS, LEAST)
        if not isinstance(column, str) or not column:
            raise TemplateError(f"{column!r} is no column.", "Name one of the data: per: zone.", KEY)
        if isinstance(sessions, bool) or not isinstance(sessions, int) or sessions < 1:
            raise TemplateError(
                f"{sessions!r} is no number of sessions.", "Use a whole number of at least 1.", f"{KEY}.{SESSIONS}"
            )
        return cls(column, sessions)

    def group(self, value: str) -> str:
        """How the rows of a value are called: ``zone=DE``."""
        return f"{self.column}={value}"

    def is_group(self, group: str) -> bool:
        """Whether rows that are called so are divided by this column."""
        return group.startswith(f"{self.column}=")

    def to_dict(self) -> dict[str, object]:
        """As a template has it."""
        return {COLUMN: self.column, SESSIONS: self.sessions}
