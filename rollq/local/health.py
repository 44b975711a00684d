"""Do the embedded servers still take what is written? One that met a full disk answers, and takes nothing."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from rollq.tasks.errors import Unavailable
from rollq.tasks.mongo.client import Store, reachable, within

SECONDS = 10.0  # a busy machine is slow


def broker_writes(url: str) -> bool:
    """Whether a message could be left at the broker; one that is only slow counts as well."""
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=SECONDS) as client:
            # A write and no ping: a server whose disk is full answers a ping.
            client.set("rollq.looked", 1, ex=60)
    # A server that is killed because a busy machine is slow would lose what it holds, and be no faster afterwards.
    except redis.exceptions.TimeoutError:
        return True
    except redis.exceptions.RedisError:
        return False
    return True


def store_writes(uri: str) -> bool:
    """Whether a document could be written."""
    try:
        with closing(Store(uri, "rollq_stack")) as store, reachable(), within(SECONDS):
            store.collection("looked").update_one({"_id": "stack"}, {"$inc": {"times": 1}}, upsert=True)
    except Unavailable as error:
        return "timed out" in str(error.__cause__)
    return True


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder."""
    return shutil.disk_usage(folder).free
