"""Imported by every Python process of an audited run: writes down each class that a pickle asks for on our data paths.

The innermost frame that is neither the standard library's nor a data library's decides whose unpickling it is: Celery's
and billiard's pool speaks pickle with its own children, which is their business; a frame of rollq's is ours.
"""

import os
import sys
from pathlib import Path

LOG = os.environ.get("PICKLE_AUDIT")
OURS = tuple(f"{os.sep}{room}{os.sep}" for room in ("rollq", "scheduler", "workers", "tasks"))
THEIRS = tuple(f"{os.sep}{name}{os.sep}" for name in ("billiard", "celery", "kombu", "multiprocessing", "concurrent"))


def whose() -> str:
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if any(part in name for part in THEIRS):
            return "theirs"
        if any(part in name for part in OURS) and "site-packages" not in name:
            return "ours"
        frame = frame.f_back
    return "theirs"


def hook(event: str, arguments: tuple) -> None:
    if event == "pickle.find_class":
        with Path(LOG).open("a") as log:
            log.write(f"{whose()} {os.getpid()} {arguments}\n")


if LOG:
    sys.addaudithook(hook)
    with Path(LOG).open("a") as log:
        log.write(f"process {os.getpid()}\n")
