"""Calls to MLflow are made again while its store is away or busy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from mlflow.exceptions import MlflowException

from rollq.tasks.failures import INTERNAL, MLFLOW_BUSY

T = TypeVar("T")
log = logging.getLogger(__name__)

PATIENCE_SECONDS = 120.0  # a store that is away may come back within this
PAUSES = (0.1, 2.0)  # seconds between two tries: from, to
PASSING = {*MLFLOW_BUSY, INTERNAL}  # the calls are rollq's own: there the code says that the server is broken or away


def retry(call: Callable[[], T], patience: float = PATIENCE_SECONDS) -> T:
    """Call; again while the store is away, for at most ``patience`` seconds.

    Raises:
        Exception: what the last try raised.
    """
    end, pause = time.monotonic() + patience, PAUSES[0]
    while True:
        try:
            return call()
        except Exception as error:
            # Not once more if the pause would end after the patience does.
            if not is_passing(error) or time.monotonic() + pause > end:
                raise
            log.info("the tracking store does not take it now, it is tried again: %s", error)
            time.sleep(pause)
            pause = min(pause * 2, PAUSES[1])


def is_passing(error: Exception) -> bool:
    """Whether a later try may go well: the store is away or busy, it did not refuse the content."""
    if isinstance(error, MlflowException):
        return error.error_code in PASSING
    return isinstance(error, OSError)
