"""One line of the doctor's answer, and how a check that fails becomes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from rollq.tasks.errors import RollqError


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer."""

    name: str
    ok: bool
    detail: str
    fix: str = ""

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return asdict(self)


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
