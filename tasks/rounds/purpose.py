"""What a round is for: its models are put online, or measured. In its document it is one object, with a tag."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

LIVE, SIMULATION = "live", "simulation"


@dataclass(frozen=True)
class Serve:
    """The models come online, as a version of ``strategy``. Dates are ``YYYY-MM-DD``.

    Args:
        strategy: its name.
        sessions: what their predictions must cover.
        session: the session that a routine planned it for; it publishes the signals day by day. Empty: the coordinator
            publishes the signals of all ``sessions``.
        begin: the first session that they serve; empty: ``session``, or the first of ``sessions``.
        champion: the variant that serves; empty: the one that does now.
        mode: ``LIVE`` or ``SIMULATION``.
        why: what the online set says of where it comes from.
        routine: the strategy whose routine waits for the round.
        follows: the round that must have ended before: sets come online in the order of their sessions.
        model_kwargs: what ``prepare_online_models`` of the strategy is given, too.
        members: the names of its models, where several serve together.
        kind: tells documents of rounds that serve apart.
    """

    strategy: str = ""
    sessions: tuple[str, ...] = ()
    session: str = ""
    begin: str = ""
    champion: str = ""
    mode: str = LIVE
    why: str = "round"
    routine: str = ""
    follows: str = ""
    model_kwargs: dict[str, object] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    kind: Literal["serve"] = "serve"


@dataclass(frozen=True)
class Research:
    """The models are measured, and put nothing online.

    Args:
        strategy: the template's name.
        sessions: what their predictions must cover.
        name: of the round, among those of research.
        lookahead: how many sessions its label looks ahead.
        members: as of ``Serve``.
        kind: tells documents of research apart.
    """

    strategy: str
    sessions: tuple[str, ...]
    name: str
    lookahead: int = 1
    members: tuple[str, ...] = ()
    kind: Literal["research"] = "research"


Purpose = Annotated[Serve | Research, Field(discriminator="kind")]
