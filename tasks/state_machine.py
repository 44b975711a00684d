"""State machines: which changes of a state are legal. Each kind has one table, and every write is checked by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from rollq.tasks.errors import InvalidTransition

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True)
class StateMachine(Generic[S]):
    """The states of one kind of thing.

    Args:
        what: what is in these states, for messages.
        table: the states that each may change into; under None those in which it begins.
        corrections: what more may become of one whose document is invalid, or that is in a state by mistake; under None
            of one that is in no state at all.
        ended: what a person reads who wants to change one that is in a final state.
    """

    what: str
    table: Mapping[S | None, frozenset[S]]
    corrections: Mapping[S | None, frozenset[S]] = field(default_factory=dict)
    ended: str = "It has ended."

    def check(self, start: S | None, end: str, *, which: str = "", correction: bool = False) -> S:
        """``end`` as a state, if ``start`` may change into it.

        Args:
            which: the one that it is about, for the message.
            correction: it is in this state by mistake, or its document is invalid.

        Raises:
            InvalidTransition: it may not.
        """
        legal = self.ends(start) | (self.corrections.get(start, frozenset()) if correction else frozenset())
        # `end` may be text, as from a document: the state that equals it is returned, not the text.
        for state in legal:
            if state == end:
                return state
        fix = f"It may become {', '.join(sorted(legal))}." if legal else self.ended
        raise InvalidTransition(f"The {self.what}{which and f' {which}'} is {start}: it cannot become {end}.", fix)

    def ends(self, start: S | None) -> frozenset[S]:
        """The states that ``start`` may change into."""
        return self.table.get(start, frozenset())

    def starts(self, end: S) -> list[S]:
        """The states that may change into ``end``, in order; for the filter of a write."""
        return sorted(start for start, ends in self.table.items() if start is not None and end in ends)

    def is_final(self, state: S) -> bool:
        """Whether nothing can become of it any more."""
        return not self.ends(state)
