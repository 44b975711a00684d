"""Run a command on a machine of its own name, with its temporary files in a folder: ``NAME FOLDER COMMAND...``."""

from __future__ import annotations

import ctypes
import os
import socket
import sys

CLONE_NEWUTS = 0x04000000


def main() -> None:
    """Take the name, then become the command."""
    name, folder, *command = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUTS):
        raise OSError(ctypes.get_errno(), "a host name of its own is not allowed here")
    socket.sethostname(name)
    temporary = os.path.join(folder, "tmp")  # noqa: PTH118 - nothing but the command is imported here
    os.makedirs(temporary, exist_ok=True)  # noqa: PTH103
    os.chdir(folder)
    os.execvpe(command[0], command, {**os.environ, "TMPDIR": temporary})


if __name__ == "__main__":
    main()
