"""One MLflow store for all processes that name it by the same relative path."""

from __future__ import annotations

import socket
from pathlib import Path

from rollq.tasks.config.settings import Settings
from rollq.tasks.config.tracking_uri import SQLITE, typed_as
from rollq.tasks.mongo.client import Store, reachable
from rollq.tasks.mongo.layout import SCHEMA


def settled(settings: Settings) -> Settings:
    """Settings in which a relative URI means what it meant to the first who typed it for this task store.

    So a worker that starts in another folder of the same machine logs to the same store.

    Raises:
        Unavailable: the task store does not answer.
    """
    typed = typed_as(settings.mlflow_uri)
    if typed is None:
        return settings
    store = Store.of(settings)
    known, ident = store.collection("tracking"), f"{socket.gethostname()}\n{typed}"
    with reachable():
        known.update_one({"_id": ident}, {"$setOnInsert": {"schema": SCHEMA, "uri": settings.mlflow_uri}}, upsert=True)
        found = known.find_one({"_id": ident}) or {}
        uri = str(found.get("uri", settings.mlflow_uri))
        if not Path(uri.removeprefix(SQLITE)).parent.is_dir():  # the folder was moved away
            uri = settings.mlflow_uri
            known.update_one({"_id": ident}, {"$set": {"uri": uri}})
    store.close()
    return settings.model_copy(update={"mlflow_uri": uri})
