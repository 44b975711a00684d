"""One look at a part of a template: what it found, or what is wrong, where in the user's own code, and what helps."""

from __future__ import annotations

from collections.abc import Callable

from rollq.health.check import Check
from rollq.tasks.components.user_code import place_of
from rollq.tasks.errors import BadInput, RollqError
from rollq.tasks.failures import described

OWN = "It comes from your own code: correct it there."
DEFECT = "Look at what the classes of the template were given; --debug shows the traceback."


class Wrong(BadInput):
    """What a look found to be wrong, and what helps."""


class NotMade(BadInput):
    """Why a look was not possible: it is no fault, and nothing is known to be good."""


class LookAt(BadInput):
    """What a look found that may be meant, and may be wrong."""


REMARKS = {NotMade: "not made", LookAt: "look at"}


def look(name: str, function: Callable[[], str], *, debug: bool = False) -> Check:
    """A check that is good if ``function`` says what it found, and bad if it raises anything but a remark.

    Args:
        debug: let errors that nobody meant through, with their traceback.
    """
    try:
        return Check(name, True, function())
    except (NotMade, LookAt) as remark:
        return Check(name, True, remark.message, remark.fix, REMARKS[type(remark)])
    except RollqError as error:
        return Check(name, False, _placed(error.message, error), error.fix)
    except (Exception, SystemExit) as error:
        if debug:
            raise
        place = place_of(error)
        return Check(name, False, _placed(described(error), error), OWN if place else DEFECT)


def _placed(what: str, error: BaseException) -> str:
    place = place_of(error)
    if not place or (isinstance(error, RollqError) and place in error.fix):
        return what
    return f"{what} ({place})"
