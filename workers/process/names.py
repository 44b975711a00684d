"""The names of a worker's processes, so that others can tell who holds a task and whether it still lives."""

from __future__ import annotations

import os
import socket
from functools import cache


@cache
def host() -> str:
    """Name of this machine."""
    return socket.gethostname()


def worker_name(main_pid: int) -> str:
    """Name of this pool process: ``host/main pid/own pid``."""
    return f"{host()}/{main_pid}/{os.getpid()}"
