"""Deleted runs: which tasks have lost the run that holds their result, because a person deleted it.

One is written down before the run is deleted. When the task is created once more, it is trained anew
(``tasks/queue/creation.py``), and what was written down is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pymongo.collection import Collection

from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.mongo.layout import SCHEMA


class DeletedRuns:
    """The deleted runs of a store. The only code that reads or writes them there."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _runs(self) -> Collection[Document]:
        return self._store.collection("deleted_runs")  # asked for anew: after a fork it belongs to another connection

    def note(self, runs: Mapping[str, str]) -> None:
        """Write down runs that are about to be deleted, by the task whose result each is."""
        with reachable():
            now = self._store.now() if runs else None
            for task, run in runs.items():
                changes = {"$set": {"schema": SCHEMA, "run": run, "at": now}}
                self._runs.update_one({"_id": task}, changes, upsert=True)

    def of_tasks(self, tasks: Sequence[str]) -> dict[str, str]:
        """Of these tasks those that have lost their run, each with the run."""
        with reachable():
            found = list(self._runs.find({"_id": {"$in": list(tasks)}}, {"run": 1}))
        return {str(document["_id"]): str(document.get("run", "")) for document in found}

    def forget(self, tasks: Sequence[str]) -> None:
        """These tasks are trained anew."""
        with reachable():
            self._runs.delete_many({"_id": {"$in": list(tasks)}})
