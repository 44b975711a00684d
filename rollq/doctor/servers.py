"""Do the servers do what workers ask of them?"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rollq.doctor.check import Check, checked
from tasks.errors import RollqError
from tasks.settings import Settings
from tasks.store import Store

CLOCK_SECONDS = 2.0


def server_checks(settings: Settings) -> list[Check]:
    """Broker, task store, its clock, MLflow."""
    return [checked(name, partial(look, settings), FIXES[name]) for name, look in SERVERS.items()]


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


SERVERS: dict[str, Callable[[Settings], str]] = {
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
