"""A child process for one piece of work: what it used is given back to the system when it ends."""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from collections.abc import Callable

from rollq.tasks.errors import StateError

DONE, NOT_DONE = 0, 3  # exit codes of a child that lived to its end


def in_child(work: Callable[[], bool]) -> bool:
    """Do a piece of work in a child, forked so that it knows what this process knows; returns what ``work`` returns.

    Raises:
        StateError: the child died.
    """
    child = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(DONE if work() else NOT_DONE))
    with warnings.catch_warnings():
        # Python warns of threads; those of rollq hold nothing that a child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    try:
        child.join()
    except BaseException:
        child.terminate()
        child.join()
        raise
    code = child.exitcode
    child.close()
    if code not in (DONE, NOT_DONE):
        died = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        raise StateError(f"The process of the task died ({died}).", "Out of memory, or a crash in native code?")
    return code == DONE
