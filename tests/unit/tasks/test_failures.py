"""Failures are of four kinds: what stops a process, an outage, what is not there yet, and the task's own error."""

from __future__ import annotations

import errno
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

import kombu.exceptions
import pymongo.errors
import pytest
import redis.exceptions
import requests.exceptions
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from rollq import BadInput, DataError, Unavailable
from rollq.tasks.components.user_code import place_of
from rollq.tasks.errors import Draining, NotLogged, NotYet, PermanentError
from rollq.tasks.failures import Kind, described, is_full, is_permanent, kind_of, text_of, trace_of, wait_after
from rollq.tasks.queue.task import TaskError

MLFLOW_BARE = MlflowException("no model of this kind")  # INTERNAL_ERROR, as each that names no code
MLFLOW_REFUSES = RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"})


def _caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def _not_logged(away: bool) -> NotLogged:
    error = NotLogged("MLflow did not take it")
    error.away = away
    return error


def _named(module: str, name: str) -> Exception:
    """An error of a library that is not installed here."""
    error: Exception = type(name, (Exception,), {"__module__": module})("refused")
    return error


OUTAGES = [
    _named("boto3.exceptions", "S3UploadFailedError"),
    Unavailable("MLflow does not answer"),
    pymongo.errors.NotPrimaryError("not primary"),
    pymongo.errors.ServerSelectionTimeoutError("nobody"),
    pymongo.errors.OperationFailure("not authorized", 13),
    pymongo.errors.OperationFailure("disk", 14031),
    redis.exceptions.ReadOnlyError("You can't write against a read only replica."),
    redis.exceptions.ConnectionError("refused"),
    redis.exceptions.ResponseError("MISCONF Redis is configured to save, but cannot"),
    redis.exceptions.OutOfMemoryError("OOM command not allowed"),
    kombu.exceptions.OperationalError("refused"),
    MlflowException("database is locked", TEMPORARILY_UNAVAILABLE),
    RestException({"error_code": "INTERNAL_ERROR", "message": "the server is broken"}),
    RestException({"error_code": "PERMISSION_DENIED", "message": "the token has ended"}),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EROFS, "Read-only file system"),
    OSError(errno.ESTALE, "Stale file handle"),
    sqlite3.OperationalError("database or disk is full"),
    _caused(RuntimeError("could not save"), OSError(errno.ENOSPC, "No space left on device")),
    ExceptionGroup("both", [Unavailable("a"), OSError(errno.ENOSPC, "full")]),
    _not_logged(away=True),
]
OWN = [
    ValueError("bad window"),
    SystemExit("licence server not found"),
    SystemExit(3),
    GeneratorExit(),
    MemoryError(),
    RecursionError("too deep"),
    ConnectionRefusedError("a feature server of its own"),
    FileNotFoundError(errno.ENOENT, "no such file"),
    DataError("no rows"),
    MLFLOW_REFUSES,
    MLFLOW_BARE,
    _caused(RuntimeError("the model failed"), MLFLOW_BARE),
    requests.exceptions.ConnectionError("a feature server of its own"),
    pymongo.errors.DuplicateKeyError("twice"),
    ExceptionGroup("mixed", [Unavailable("a"), ValueError("b")]),
    _not_logged(away=False),
    _caused(DataError("the file is broken"), OSError(errno.EIO, "Input/output error")),
]


@pytest.mark.parametrize("error", OUTAGES, ids=repr)
def test_an_outage(error: BaseException) -> None:
    assert kind_of(error) is Kind.OUTAGE


@pytest.mark.parametrize("error", OWN, ids=repr)
def test_an_own_error(error: BaseException) -> None:
    assert kind_of(error) is Kind.OWN


def test_a_stop_is_a_signal_or_a_drain() -> None:
    assert kind_of(Draining("the worker stops")) is Kind.STOP
    assert kind_of(NotYet("no prices")) is Kind.NOT_YET
    assert kind_of(KeyboardInterrupt()) is Kind.STOP  # in a script Ctrl-C raises it
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a pool process: then only the model itself can
    try:
        assert kind_of(KeyboardInterrupt()) is Kind.OWN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_signal_handler_raises_is_a_stop() -> None:
    def leave(*_: Any) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGUSR2, leave)
    try:
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(signal.SIGUSR2)
        assert kind_of(caught.value) is Kind.STOP
        with pytest.raises(SystemExit) as own:
            raise SystemExit(143)
        assert kind_of(own.value) is Kind.OWN
    finally:
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (TypeError("x"), True), (ValueError("x"), True), (KeyError("x"), True), (AttributeError("x"), True),
        (ZeroDivisionError(), True), (NotImplementedError(), True), (RecursionError(), True), (NameError("x"), True),
        (BadInput("x"), True), (PermanentError("x"), True), (UnicodeDecodeError("utf-8", b"", 0, 1, "x"), True),
        (OSError("x"), False), (ConnectionError("x"), False), (RuntimeError("x"), False), (MemoryError(), False),
        (ImportError("x"), False), (AssertionError(), False), (SystemExit("x"), False), (Exception("x"), False),
    ],
    ids=repr,
)  # fmt: skip
def test_what_comes_again_each_time_is_permanent(error: BaseException, permanent: bool) -> None:
    assert is_permanent(error) is permanent


class _Mute(Exception):
    def __str__(self) -> str:
        raise LookupError("no text")


class _Leaves(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


class _NoText(Exception):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemExit("licence server not found"), "licence server not found"),
        (SystemExit(3), "it left with sys.exit(3)"),
        (SystemExit(), "it left with sys.exit()"),
        (MemoryError(), "MemoryError()"),
        (ValueError("half \udc80 of a character"), "half \\udc80 of a character"),
        (ValueError("a\0b\x1b[31m"), "a\\x00b\\x1b[31m"),
        (_Mute(), "(its text cannot be shown: __str__ raised LookupError)"),
        (_Leaves(), "(its text cannot be shown: __str__ raised SystemExit)"),
        (_NoText(), "(its text cannot be shown: __str__ raised TypeError)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_an_error_says_can_be_stored(error: BaseException, text: str) -> None:
    assert text_of(error) == text
    stored = TaskError.of(error)
    assert stored.message == text
    stored.traceback.encode()
    assert described(error).startswith(type(error).__name__)


def test_a_huge_text_does_not_hide_the_lines_of_code() -> None:
    def fit() -> None:
        raise RuntimeError("x" * 1_000_000)

    error = _raised(fit)
    stored = TaskError.of(error)
    assert len(stored.message) == 2_000
    assert "in fit" in stored.traceback
    assert len(trace_of(error, 100)) == 100


def test_the_place_is_the_innermost_line_of_the_users_code() -> None:
    def fit() -> None:
        import json

        json.loads("{")  # the error comes up in a library

    place = place_of(_raised(fit))
    assert place.startswith(__file__)
    assert place.endswith("in fit")
    assert place_of(ValueError("raised nowhere")) == ""


def test_the_wait_grows_and_has_an_end() -> None:
    waits = [wait_after(Kind.OUTAGE, times) for times in (1, 100_000)]
    assert 1.0 <= waits[0] <= 2.0
    assert 30.0 <= waits[1] <= 60.0
    assert wait_after(Kind.NOT_YET, 100) <= 8.0


def test_a_full_disk_is_known_by_number_or_by_words() -> None:
    assert is_full(OSError(errno.ENOSPC, "x"))
    assert is_full(RuntimeError("write failed: No space left on device"))
    assert not is_full(OSError(errno.EACCES, "Permission denied"))


def _raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value
