"""Every error that rollq raises on purpose. Each says what happened, why, and how to repair it.

The command line prints ``message`` and ``fix`` and leaves with ``exit_code``: see ``docs/reference/exit-codes.md``.
"""

from __future__ import annotations


class RollqError(Exception):
    """Something went wrong that rollq understands.

    Args:
        message: what happened and to what, in one sentence.
        fix: what the reader can do about it, in one sentence; empty if nothing.
    """

    exit_code = 1

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()


# -- bad input: exit code 2, nothing was enqueued ---------------------------------------------------------------------


class BadInput(RollqError):
    """What the user gave cannot be used."""

    exit_code = 2


class SettingsError(BadInput):
    """A setting has a value that cannot be used."""


class TemplateError(BadInput):
    """A task template is wrong; ``key`` is the dotted path of the wrong part, such as ``dataset.kwargs.segments``."""

    def __init__(self, message: str, fix: str = "", key: str = "") -> None:
        super().__init__(f"{key}: {message}" if key else message, fix)
        self.key = key


class ComponentError(TemplateError):
    """A class in a template is unknown, not registered, or cannot be built from its kwargs."""


class UnknownClass(ComponentError):
    """A class is not registered in this process, or its module is not found here; ``name`` is that of the class."""

    def __init__(self, message: str, fix: str, key: str, name: str) -> None:
        super().__init__(message, fix, key)
        self.name = name


class CalendarError(BadInput, ValueError):
    """A date or segment does not fit the trading calendar."""


class SegmentError(CalendarError):
    """A segment is reversed, empty, overlapping, or outside the calendar."""


class DataError(BadInput):
    """The data cannot be used: a file is missing, the universe is empty, every value is NaN."""


class EnsembleError(RollqError, ValueError):
    """Predictions cannot be joined: nothing to join, keys of the wrong form, or a hole in the coverage."""


class CoverageError(EnsembleError):
    """Signals would miss a session, or cover one twice; or there are too few sessions to say something."""

    exit_code = 5


class MessageRefused(BadInput):
    """What lies in the broker is no message of rollq: it is dropped, and nothing is lost with it."""


# -- not found: exit code 3 -------------------------------------------------------------------------------------------


class NotFound(RollqError):
    """There is no such task, pool, round, online set, recorder or artifact."""

    exit_code = 3


class ArtifactMissing(NotFound):
    """A recorder does not hold the artifact that was asked for."""


# -- the world around: exit code 4 ------------------------------------------------------------------------------------


class Unavailable(RollqError):
    """A server that is needed does not answer, or none is configured."""

    exit_code = 4


class StackRunning(Unavailable):
    """An embedded stack already runs in this state folder."""


# -- the state of the work: exit code 5 -------------------------------------------------------------------------------


class StateError(RollqError):
    """The request does not fit the state that the thing is in."""

    exit_code = 5


class InvalidTransition(StateError):
    """A task cannot go from its state to the requested one."""


class LeaseLost(StateError):
    """The claim is no longer held: the lease expired and another worker has the task, or the task was cancelled."""


class NotLogged(StateError):
    """MLflow did not take something that was logged; the message names it. Everything else was written.

    ``away`` says that it was not refused: MLflow did not answer.
    """

    away = False


class NotYet(StateError):
    """Data, or an earlier task, is not there yet. The attempt has not failed: it is made again later, by itself.

    Args:
        wait: seconds until then; None: twice as long each time.
    """

    def __init__(self, message: str, fix: str = "", wait: float | None = None) -> None:
        super().__init__(message, fix)
        self.wait = wait


class Draining(StateError):
    """The worker is asked to end: the task goes back untried."""


class RoundFailed(StateError):
    """A round could not meet its policy; the message names the tasks to blame."""


class TrainingFailed(StateError):
    """Tasks ended without a model; the message lists all of them. What is trained stays.

    ``failures`` are the tasks, ``recorders`` those of the tasks that are trained.
    """

    failures: tuple[object, ...] = ()
    recorders: tuple[object, ...] = ()


class DocumentCorrupted(StateError):
    """A task, round or online set in the store is not as rollq writes it: another program changed it."""


class ArtifactCorrupted(StateError):
    """An artifact's SHA-256 is not the one that was recorded when it was written."""


# -- training ---------------------------------------------------------------------------------------------------------


class PermanentError(RollqError):
    """Trying again cannot help: bad configuration or bad data found while training. The task fails at once."""
