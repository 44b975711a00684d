"""Has a routine, a round or a challenger of a strategy failed, and does it need a person?"""

from __future__ import annotations

from rollq.health.check import Check, checked
from rollq.scheduler.failures import failures
from rollq.tasks.backend import Backend
from rollq.tasks.errors import StateError

SHOWN = 5


def failed_check(backend: Backend) -> Check:
    """The doctor's line about what failed: nothing that it could repair."""

    def look() -> str:
        if found := failures(backend)[:SHOWN]:
            fixes = dict.fromkeys(one.fix for one in found)
            raise StateError("; ".join(map(str, found)), " ".join(fixes))
        return "no routine, round or challenger of a strategy has failed"

    return checked("failures", look, "Look at the task store.")
