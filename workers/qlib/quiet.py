"""Qlib prints, warns and starts processes of its own; inside a worker it does none of it."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Iterator

log = logging.getLogger(__name__)


class _Passed(logging.Handler):
    """Passes on what Qlib says of errors."""

    def emit(self, record: logging.LogRecord) -> None:
        """In rollq's form, whatever Qlib's own configuration of logging says."""
        log.log(record.levelno, "qlib: %s", record.getMessage())


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Nothing is printed, nothing is warned of, and joblib works in this process alone."""
    _quieten_logs()
    from joblib import parallel_config  # comes with scikit-learn, which Qlib needs

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        # A worker is a daemon: it may have no children; and its share of the machine is one thread.
        parallel_config("sequential"),
        _one_thread(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch, where it is used, compute in one thread: how many there are moves the last digits."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _quieten_logs() -> None:
    """Let Qlib's log be that of rollq, without what is below an error: Qlib warns of what is usual."""
    logger = logging.getLogger("qlib")
    logger.propagate = False
    if not any(isinstance(one, _Passed) for one in logger.handlers):
        logger.handlers = [_Passed(logging.ERROR)]
