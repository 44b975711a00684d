"""How a command gets its servers: the ones that are set, the stack that runs, or one for the length of the command."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rollq.local.stack import LocalStack
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import SettingsError, Unavailable
from rollq.tasks.runtime import find_running
from rollq.tasks.tracking_home import settled

log = logging.getLogger(__name__)

REPAIR_SECONDS = 1.0  # between two looks at the embedded servers
LOCK_SECONDS = 20.0  # how long a command waits for another short command in the same folder


@contextmanager
def attach(settings: Settings, serve: bool = False) -> Iterator[Settings]:
    """Settings whose URLs are filled in.

    Servers that are set are used as they are. Else the stack that runs in ``state_dir`` is used. Else, if an earlier
    stack left data there, it is started for the length of the block.

    Args:
        serve: the block lasts long (a worker, beat): start a stack if there is none, and let other commands find it.

    Raises:
        Unavailable: there is no stack and no server is set.
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
    elif runtime := find_running(settings.state_dir):
        yield settled(runtime.settings(settings))
    elif serve or _has_data(settings):
        # A short command does not announce its stack: another command that found it would lose it amid its work.
        with LocalStack(settings.state_dir, announce=serve, lock_seconds=LOCK_SECONDS) as stack:
            assert stack.runtime  # noqa: S101 - a started stack has one
            if serve:
                # Short commands have no such thread: their stack lives for seconds.
                threading.Thread(target=_keep, args=(stack,), name="rollq-stack", daemon=True).start()
            yield settled(stack.runtime.settings(settings))
    else:
        raise Unavailable(
            f"No rollq stack is running in {settings.state_dir} and no servers are configured.",
            "Start one with `rollq up`, try `rollq demo`, or set ROLLQ_MONGO_URI and ROLLQ_REDIS_URL.",
        )


def _keep(stack: LocalStack) -> None:
    """Repair what breaks for as long as the stack runs."""
    while not stack.stopped.wait(REPAIR_SECONDS):
        try:
            stack.repair()
        except Unavailable as error:
            log.error("%s", error)  # noqa: TRY400 - it says all
            return


def has_store(settings: Settings) -> bool:
    """Whether there is a task store to attach to: one that is set, one that runs, or data of an earlier one."""
    return bool(settings.mongo_uri or settings.redis_url or find_running(settings.state_dir) or _has_data(settings))


def _has_data(settings: Settings) -> bool:
    return (settings.state_dir / "mongo").is_dir()
