"""How a command gets its servers: the ones that are set, the stack that runs, or one for the length of the command."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rollq.local.stack import LocalStack
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import SettingsError, StackRunning, Unavailable
from rollq.tasks.runtime import Runtime, find_running, is_locked
from rollq.tasks.tracking_home import settled

log = logging.getLogger(__name__)

REPAIR_SECONDS = 1.0  # between two looks at the embedded servers
LOCK_SECONDS = 60.0  # how long a command waits for a stack that starts, or for a short command in the same folder
SAID_SECONDS = 1.0  # a shorter wait is not worth a line


@contextmanager
def attach(settings: Settings, serve: bool = False) -> Iterator[Settings]:
    """Settings whose URLs are filled in.

    Servers that are set are used as they are. Else the stack that runs in ``state_dir`` is used, or one that is being
    started there. Else, if an earlier stack left data there, it is started for the length of the block.

    Args:
        serve: the block lasts long (a worker, beat): start a stack if there is none, and let other commands find it.

    Raises:
        Unavailable: there is no stack and no server is set.
        StackRunning: another command uses the stack for itself, and does not end.
        SettingsError: only one of the two servers is set.
    """
    # Half a configuration would send messages to one stack about tasks in another.
    if bool(settings.mongo_uri) != bool(settings.redis_url):
        missing = "ROLLQ_REDIS_URL" if settings.mongo_uri else "ROLLQ_MONGO_URI"
        raise SettingsError(f"Only one of the two servers is set: {missing} is missing.", "Set both, or neither.")
    if settings.mongo_uri:
        if not settings.mlflow_uri:
            raise SettingsError("The servers are set but MLflow is not.", "Set MLFLOW_TRACKING_URI.")
        yield settled(settings)
    else:
        stack, runtime = _started_or_found(settings, serve)
        try:
            if stack and serve:
                # Short commands have no such thread: their stack lives for seconds.
                threading.Thread(target=_keep, args=(stack,), name="rollq-stack", daemon=True).start()
            yield settled(runtime.settings(settings))
        finally:
            if stack:
                stack.stop()


def _started_or_found(settings: Settings, serve: bool) -> tuple[LocalStack | None, Runtime]:
    """The stack of the state folder: the one that runs, or one that was started for this block.

    A folder that another process holds is waited for: `rollq up` may be starting its servers, which are then used, or
    a short command uses them for itself. Of several that start at once one wins, and the others find its stack.

    Raises:
        Unavailable: there is no stack, and none is to be started.
        StackRunning: the folder is held for too long.
    """
    begun, said = time.monotonic(), False
    while True:
        if runtime := find_running(settings.state_dir):
            return None, runtime
        if not (serve or has_store(settings)):
            raise Unavailable(
                f"No rollq stack is running in {settings.state_dir} and no servers are configured.",
                "Start one with `rollq up`, try `rollq demo`, or set ROLLQ_MONGO_URI and ROLLQ_REDIS_URL.",
            )
        # A short command does not announce its stack: another command that found it would lose it amid its work.
        stack = LocalStack(settings.state_dir, announce=serve)
        try:
            return stack, stack.start()
        except StackRunning:
            waited = time.monotonic() - begun
            if waited > LOCK_SECONDS:
                raise
        if waited > SAID_SECONDS and not said:
            said = True
            log.warning(
                "another rollq process starts or uses the stack in %s: waiting for it, at most %.0f s",
                settings.state_dir,
                LOCK_SECONDS,
            )
        time.sleep(0.05)


def _keep(stack: LocalStack) -> None:
    """Repair what breaks for as long as the stack runs."""
    while not stack.stopped.wait(REPAIR_SECONDS):
        try:
            stack.repair()
        except Unavailable as error:
            log.error("%s", error)  # noqa: TRY400 - it says all
            return


def has_store(settings: Settings) -> bool:
    """Whether there is a task store to attach to: one that is set, that runs or starts, or data of an earlier one."""
    set_here = settings.mongo_uri or settings.redis_url
    return bool(set_here or is_locked(settings.state_dir) or (settings.state_dir / "mongo").is_dir())
