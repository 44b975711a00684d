"""The doctor: is everything there that rollq needs? Each failing check says how to mend it."""

from __future__ import annotations

import ctypes
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rollq.local.attach import attach
from rollq.shadow import check_shadowing
from tasks.errors import RollqError
from tasks.settings import Settings
from tasks.store import Store

CLOCK_SECONDS = 2.0
FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer."""

    name: str
    ok: bool
    detail: str
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def run_checks(settings: Settings, repair: bool = False) -> list[Check]:
    """All checks; those of the servers say what is missing where there are none.

    Args:
        repair: mend what can be mended in the work (``rollq/repair.py``).
    """
    found = [_python(), _openmp(), _names(), _disk(settings.state_dir)]
    try:
        with attach(settings) as attached:
            servers = [_checked(name, check, attached) for name, check in SERVER_CHECKS.items()]
            found += servers
            if all(check.ok for check in servers if check.name != "clock"):
                found += _work(attached, repair)
    except RollqError as error:
        found.append(Check("servers", False, error.message, error.fix))
    return found


def _work(settings: Settings, repair: bool) -> list[Check]:
    from rollq.repair import look_at_work
    from tasks.backend import Backend

    backend = Backend.of(settings)
    backend.prepare()
    try:
        return look_at_work(backend, repair)
    finally:
        backend.store.close()


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")


def _openmp() -> Check:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return Check("libgomp", False, "LightGBM needs libgomp.so.1", "apt-get install libgomp1")
    return Check("libgomp", True, "libgomp.so.1")


def _names() -> Check:
    try:
        check_shadowing()
    except RollqError as error:
        return Check("packages", False, error.message, error.fix)
    return Check("packages", True, "nothing hides rollq's packages")


def _disk(folder: Path) -> Check:
    while not folder.exists():
        folder = folder.resolve().parent
    free = shutil.disk_usage(folder).free
    fix = "Free some space, or choose another --state-dir."
    return Check("disk", free > FREE_BYTES, f"{free / (1 << 30):.1f} GiB free in {folder}", fix)


def _broker(settings: Settings) -> str:
    import redis

    with redis.Redis.from_url(settings.redis_url, socket_timeout=5) as client:
        info: Any = client.info()
        client.ping()
        kept = "with" if info.get("aof_enabled") else "without"
        return f"version {info.get('valkey_version', info.get('redis_version'))}, {kept} an append-only file"


def _store(settings: Settings) -> str:
    store = Store.of(settings)
    store.ping()
    scratch = store.collection("doctor")
    ident = f"{time.time_ns()}"
    scratch.insert_one({"_id": ident})
    found = scratch.delete_one({"_id": ident}).deleted_count
    if not found:
        raise RollqError("what was written could not be read back", "Look at the server's log.")
    return f"answers, writes and reads ({settings.mongo_database})"


def _clock(settings: Settings) -> str:
    apart = abs(Store.of(settings).now().timestamp() - time.time())
    if apart > CLOCK_SECONDS:
        raise RollqError(f"this machine and the task store are {apart:.0f} s apart", "Set both clocks with NTP.")
    return f"{apart * 1000:.0f} ms apart from the task store"


def _mlflow(settings: Settings) -> str:
    from tasks.tracking.mlflow_experiment import MLflowExperiment

    MLflowExperiment.ping(settings.mlflow_uri)
    return settings.mlflow_uri.split("@")[-1]


SERVER_CHECKS: dict[str, Callable[[Settings], str]] = {
    "broker": _broker,
    "store": _store,
    "clock": _clock,
    "mlflow": _mlflow,
}
FIXES = {
    "broker": "Check ROLLQ_REDIS_URL and that Redis runs.",
    "store": "Check ROLLQ_MONGO_URI and that MongoDB runs.",
    "clock": "Check the task store first.",
    "mlflow": "Check MLFLOW_TRACKING_URI and that the server runs.",
}


def _checked(name: str, check: Callable[[Settings], str], settings: Settings) -> Check:
    try:
        return Check(name, True, check(settings))
    except RollqError as error:
        return Check(name, False, error.message, error.fix or FIXES[name])
    except Exception as error:  # noqa: BLE001 - whatever a client raises: the doctor names it and goes on
        return Check(name, False, f"{type(error).__name__}: {error}"[:300], FIXES[name])
