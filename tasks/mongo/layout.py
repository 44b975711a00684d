"""The layout of what rollq writes to its database: one number, in every document and of the database as a whole."""

from __future__ import annotations

from collections.abc import Mapping

from rollq.tasks.errors import StateError
from rollq.tasks.mongo.client import Store, reachable

SCHEMA = 2  # of the documents that this version writes; raised when it cannot read those of before
OLDEST = 1  # the documents of that layout did not all say so


def check_schema(document: Mapping[str, object]) -> None:
    """Refuse what another version wrote.

    Raises:
        ValueError: the document has another schema than this version's, or none.
    """
    schema = document.get("schema")
    if schema == SCHEMA and not isinstance(schema, bool):
        return
    if isinstance(schema, int) and schema > SCHEMA:
        raise ValueError(f"a newer rollq wrote it (schema {schema}, this one knows {SCHEMA})")
    raise ValueError(f"schema is {ascii(schema)[:60]}: an older layout, or no rollq, wrote it")


def check_layout(store: Store) -> None:
    """Refuse a database that another version wrote; one that is empty gets this version's number.

    Raises:
        StateError: another version wrote it.
        Unavailable: the store does not answer.
    """
    layouts = store.collection("layout")
    with reachable():
        known = layouts.find_one({"_id": "rollq"})
        if known is None:
            found = (store.collection(name).find_one({}, {"schema": 1}) for name in ("pools", "strategies"))
            known = next(filter(None, found), {"schema": SCHEMA})
            if known.get("schema") == SCHEMA:
                layouts.update_one({"_id": "rollq"}, {"$setOnInsert": {"schema": SCHEMA}}, upsert=True)
    schema = known.get("schema", OLDEST)
    if schema == SCHEMA:
        return
    if isinstance(schema, int) and schema > SCHEMA:
        raise StateError(
            f"A newer rollq wrote this database (layout {schema}, this one knows {SCHEMA}).", "Update rollq."
        )
    raise StateError(
        f"This database was written by an older layout ({ascii(schema)[:60]}, this rollq knows {SCHEMA}).",
        "Begin anew: name another database (ROLLQ_MONGO_DATABASE), or, if it is that of `rollq up`, stop it and "
        "remove its state folder.",
    )
