"""Failures are of four kinds, and only one of them is the task's own. All code that catches one asks here.

- stop: the process is asked to end. What it holds goes back untried.
- outage: a server is away, refuses, is read-only or full, or a disk is. What it holds waits, untried.
- not yet: data, or an earlier task, is not there. What it holds waits, untried.
- own: the task's own error. Only this one uses up an attempt.
"""

from __future__ import annotations

import errno
import random
import signal
import traceback
from collections.abc import Iterator
from enum import StrEnum
from types import CodeType

from rollq.tasks.errors import BadInput, Draining, NotLogged, NotYet, PermanentError, RollqError, Unavailable

# An error that holds a whole frame as text must not fill the documents of the task.
MESSAGE_CHARS = 2_000
LONGEST_OUTAGE_SECONDS = 60.0  # a task that met an outage is tried again after at most this long
# Shorter than for an outage: what is waited for is often another task, which ends within seconds.
LONGEST_NOT_YET_SECONDS = 8.0

# Errors of the system that say: the disk, or a share of the network, is full, read-only or away.
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN}
FULL = ("no space left on device", "disk quota exceeded", "database or disk is full", "outofdiskspace")
READ_ONLY = ("read-only file system", "attempt to write a readonly database")
# What clients of rollq's servers raise when the server is away, refuses, or is not the one that takes writes. They are
# known by name: importing the clients would take seconds.
AWAY = {
    "pymongo.errors.ConnectionFailure",
    "pymongo.errors.OperationFailure",
    "redis.exceptions.RedisError",
    "kombu.exceptions.OperationalError",
    "sqlalchemy.exc.OperationalError",
    "sqlalchemy.exc.TimeoutError",  # no connection of the pool was free
    "botocore.exceptions.HTTPClientError",
    "botocore.exceptions.ConnectionError",
    "boto3.exceptions.S3UploadFailedError",  # MLflow writes to S3 with it, and hands it on as it is
}
ANSWERS = {"pymongo.errors.DuplicateKeyError", "pymongo.errors.BulkWriteError", "redis.exceptions.DataError"}
MLFLOW, MLFLOW_ANSWER = "mlflow.exceptions.MlflowException", "mlflow.exceptions.RestException"
MLFLOW_BUSY = {"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
MLFLOW_AWAY = {*MLFLOW_BUSY, "UNAUTHENTICATED", "PERMISSION_DENIED", "ENDPOINT_NOT_FOUND"}
INTERNAL = "INTERNAL_ERROR"  # of a server that broke, of one that cannot be reached, and of an exception without a code
MLFLOW_WIRE = "mlflow.utils.rest_utils"  # the module in which MLflow speaks to its server
# Own errors that come again however often the task is tried: the same code meets the same data.
DETERMINISTIC = (
    *(TypeError, ValueError, LookupError, AttributeError, NameError, SyntaxError),
    *(NotImplementedError, RecursionError, ArithmeticError),
)


class Kind(StrEnum):
    """Of which kind a failure is."""

    STOP = "stop"
    OUTAGE = "outage"
    NOT_YET = "not yet"
    OWN = "own"


def kind_of(error: BaseException) -> Kind:
    """The kind of a failure. ``LeaseLost`` is none: a process that gets it has nothing to decide any more."""
    if isinstance(error, Draining) or _is_interrupt(error):
        return Kind.STOP
    if isinstance(error, NotYet):
        return Kind.NOT_YET
    return Kind.OUTAGE if is_outage(error) else Kind.OWN


def is_outage(error: BaseException) -> bool:
    """Whether something around us is away, refuses, is read-only or is full; the error itself, or its cause."""
    if isinstance(error, Unavailable):
        return True
    if isinstance(error, NotLogged):
        return error.away
    if isinstance(error, RollqError):
        return False  # it says what it is
    if isinstance(error, BaseExceptionGroup):
        # One own error among them is enough to blame the task.
        return all(map(is_outage, error.exceptions))
    if _is_server_away(error) or is_disk(error):
        return True
    return error.__cause__ is not None and is_outage(error.__cause__)


def is_full(error: BaseException) -> bool:
    """Whether a disk is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(words in text_of(error).lower() for words in FULL)


def is_disk(error: BaseException) -> bool:
    """Whether a disk is full, read-only or away."""
    if isinstance(error, OSError) and error.errno in DISK:
        return True
    return is_full(error) or any(words in text_of(error).lower() for words in READ_ONLY)


def is_permanent(error: BaseException) -> bool:
    """Whether trying again cannot help: bad input, ``PermanentError``, or an error that comes again each time."""
    if isinstance(error, OSError):  # some are ValueErrors, too
        return False
    return isinstance(error, (BadInput, PermanentError, *DETERMINISTIC))


def wait_after(kind: Kind, times: int) -> float:
    """Seconds before what was given back is tried again: twice as long each time, and spread ("equal jitter").

    u * min(longest, 2^times) with u uniform in [0.5, 1] (M. Brooker, Exponential Backoff and Jitter, AWS Architecture
    Blog, 2015): half of the wait is fixed, so that a server that comes back is not asked at once by all.

    Args:
        times: how often it was given back, this time included.
    """
    longest = LONGEST_OUTAGE_SECONDS if kind is Kind.OUTAGE else LONGEST_NOT_YET_SECONDS
    # The exponent is capped before the power, which would overflow.
    return min(longest, 2.0 ** min(times, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads, protects nothing


def text_of(error: BaseException) -> str:
    """What an error says, as text that can be stored anywhere, whatever its class does."""
    try:
        text = _said(error)
    except BaseException as second:
        if _is_interrupt(second):
            raise
        text = f"(its text cannot be shown: __str__ raised {type(second).__name__})"
    return storable(text[:MESSAGE_CHARS])


def described(error: BaseException) -> str:
    """Its type and what it says, in one line for a person."""
    return f"{storable(type(error).__name__)}: {text_of(error)}"


def trace_of(error: BaseException, length: int) -> str:
    """The end of its traceback; long messages in it are shortened, so that the lines of code stay."""
    try:
        parts = traceback.format_exception(error)
    except Exception:  # noqa: BLE001 - as above
        parts = [*traceback.format_tb(error.__traceback__), described(error)]
    return storable("".join(part if len(part) <= MESSAGE_CHARS else f"{part[:MESSAGE_CHARS]}...\n" for part in parts))[
        -length:
    ]


def storable(text: str) -> str:
    """``text`` without halves of characters and without control characters, which no store or terminal likes."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c in "\n\t" or c.isprintable() or ord(c) > 0xA0 else f"\\x{ord(c):02x}" for c in whole)


def _said(error: BaseException) -> str:
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        return "it left with sys.exit()" if error.code is None else f"it left with sys.exit({error.code!r})"
    return str(error) or repr(error)


def _is_interrupt(error: BaseException) -> bool:
    """Whether a signal brought it: Ctrl-C, or a signal handler that raises; ``sys.exit`` in a model is none."""
    # A model may raise KeyboardInterrupt itself; with Python's own handler in place it is taken for Ctrl-C.
    if type(error) is KeyboardInterrupt and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        return True
    if isinstance(error, Exception):
        return False
    handlers = set(_handlers())
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(error.__traceback__))


def _handlers() -> Iterator[CodeType]:
    for number in signal.valid_signals():
        handler: object = signal.getsignal(number)
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        if code is not None:
            yield code


def _is_server_away(error: BaseException) -> bool:
    names = _class_names(error)
    if MLFLOW in names:
        return _is_mlflow_away(error, names)
    return bool(names & AWAY) and not names & ANSWERS


def _is_mlflow_away(error: BaseException, names: set[str]) -> bool:
    """Whether an exception of MLflow says that its server is away, or broken.

    The code alone does not: one that user code raises has the code of a broken server, too, if it names none. So it
    must be the server's answer, or come from where MLflow speaks to the server.
    """
    code = getattr(error, "error_code", "")
    if code == INTERNAL:
        return MLFLOW_ANSWER in names or _went_through(error, MLFLOW_WIRE)
    return code in MLFLOW_AWAY


def _went_through(error: BaseException, module: str) -> bool:
    """Whether an error came up in a module, or in what it called."""
    return any(frame.f_globals.get("__name__") == module for frame, _ in traceback.walk_tb(error.__traceback__))


def _class_names(error: BaseException) -> set[str]:
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__}
