"""The role of a model among those that serve together: which rows are its own, and how far its label looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from rollq.tasks.definition import ROLE
from rollq.tasks.errors import TemplateError

HORIZON = "horizon="  # so begins the column of a horizon in signals; no other column does


@dataclass(frozen=True)
class Role:
    """What a model has to say among those that serve together. Of models without a role the average is taken.

    Args:
        group: whose rows it predicts, ``zone=DE``, and no other model does; empty: all of them.
        horizon: how far its label looks ahead, one of several horizons: sessions (``5``), or a span (``24h``); empty:
            there is one.
        order: the place of the horizon in the template; the signals of the first one are the score.
    """

    group: str = ""
    horizon: str = ""
    order: int = 0

    @property
    def name(self) -> str:
        """Of the model, for people: ``zone=DE``, ``horizon=5``, ``zone=DE horizon=5``."""
        return " ".join(part for part in (self.group, f"{HORIZON}{self.horizon}" if self.horizon else "") if part)

    def to_dict(self) -> dict[str, object]:
        """As it stands in a definition."""
        return asdict(self)


ALONE = Role()  # of a model that serves alone, or that is averaged with others


def role_of(definition: Mapping[str, object]) -> Role:
    """The role of the model of a task.

    Raises:
        TemplateError: what the task says of it cannot be read.
    """
    written = definition.get(ROLE)
    if written is None:
        return ALONE
    try:
        return Role(**dict(written))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise TemplateError(f"{written!r} is no role.", "Create the task anew.", ROLE) from None


def horizon_column(horizon: str) -> str:
    """The name of the column of a horizon in signals."""
    return f"{HORIZON}{horizon}"
