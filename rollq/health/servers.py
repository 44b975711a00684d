"""Do the servers do what workers ask of them?"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, cast

from rollq.health.check import Check, checked
from rollq.health.machine import FULL_BYTES, free_bytes, without_password
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import RollqError
from rollq.tasks.mongo.client import Store, reachable

if TYPE_CHECKING:
    import redis

# Leases go by the store's clock alone; logs, reports and the time of day of routines go by this machine's.
CLOCK_SECONDS = 2.0
EXPERIMENT = "rollq doctor"  # the runs in it are deleted again


def server_checks(settings: Settings) -> list[Check]:
    """Broker, task store, its clock, MLflow."""
    return [_named(checked(name, partial(look, settings), FIXES[name]), settings) for name, look in SERVERS.items()]


def _named(check: Check, settings: Settings) -> Check:
    """An embedded server that fails because its disk is full: the disk is to blame."""
    if check.ok or free_bytes(settings.state_dir) > FULL_BYTES:
        return check
    fix = f"Free some space there. `rollq up` starts its servers again when there is room. ({check.detail})"
    return Check(check.name, False, f"the disk of {settings.state_dir} is full", fix)


def _broker(settings: Settings) -> str:
    import redis

    with redis.Redis.from_url(settings.redis_url, socket_timeout=5) as client:
        info = cast("dict[str, object]", client.info())
        _pass_a_message(client)
        kept = "with" if info.get("aof_enabled") else "without"
        version = info.get("valkey_version", info.get("redis_version"))
        return f"version {version}, takes and gives messages, {kept} an append-only file"


def _pass_a_message(client: redis.Redis) -> None:
    """As a worker is notified: a replica or a full server answers a ping and takes nothing."""
    name, text = f"rollq.doctor.{time.time_ns()}", b"message"
    client.lpush(name, text)
    # If this process dies now, the list goes by itself.
    client.expire(name, 60)
    if client.brpop([name], timeout=5) != (name.encode(), text):
        raise RollqError("what was written could not be read back", "Look at the server's log.")


def _store(settings: Settings) -> str:
    with closing(Store.of(settings)) as store, reachable():
        store.ping()
        scratch = store.collection("doctor")
        ident = f"{time.time_ns()}"
        scratch.insert_one({"_id": ident})
        found = scratch.delete_one({"_id": ident}).deleted_count
    if not found:
        raise RollqError("what was written could not be read back", "Look at the server's log.")
    return f"answers, writes and reads ({settings.mongo_database})"


def _clock(settings: Settings) -> str:
    with closing(Store.of(settings)) as store, reachable():
        apart = abs(store.now().timestamp() - time.time())
    if apart > CLOCK_SECONDS:
        raise RollqError(f"this machine and the task store are {apart:.0f} s apart", "Set both clocks with NTP.")
    return f"{apart * 1000:.0f} ms apart from the task store"


def _mlflow(settings: Settings) -> str:
    """Write a run with a metric and an artifact, read it back, and delete it."""
    from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment

    experiment = MLflowExperiment.open(EXPERIMENT, settings.mlflow_uri)
    recorder = experiment.create_recorder("doctor", {"rollq.looked": "doctor"}, start=True)
    try:
        recorder.log_metrics({"looked": 1.0})
        recorder.save_objects(looked={"at": time.time()})
        recorder.end_run()
        if recorder.load_object("looked").keys() != {"at"}:
            raise RollqError("what was written could not be read back", "Look where the artifacts lie.")
    finally:
        recorder.discard()
    # MLflow keeps the artifacts of a run that is deleted until its garbage collection; a trial must leave nothing.
    if folder := recorder.storage.local:
        shutil.rmtree(folder.parent, ignore_errors=True)
    return f"takes runs and artifacts ({without_password(settings.mlflow_uri)})"


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
