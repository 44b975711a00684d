"""One line of the doctor's answer, and how a check that fails becomes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from rollq.tasks.errors import RollqError


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer.

    ``remark``: why a line that is no error is not simply good: it was ``not made``, or is something to ``look at``.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    remark: str = ""

    @property
    def good(self) -> bool:
        """Whether there is nothing to say of it."""
        return self.ok and not self.remark

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        made = asdict(self)
        return made if self.remark else {name: value for name, value in made.items() if name != "remark"}


def checked(name: str, look: Callable[[], str], fix: str) -> Check:
    """A check that is good if ``look`` says what it found, and bad if it raises.

    Args:
        fix: what helps if the error itself does not say so.
    """
    try:
        return Check(name, True, look())
    except RollqError as error:
        return Check(name, False, error.message, error.fix or fix)
    except Exception as error:  # noqa: BLE001 - whatever a client raises: the doctor names it and goes on
        return Check(name, False, f"{type(error).__name__}: {error}"[:300], fix)
