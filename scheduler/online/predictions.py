"""What a model has predicted: the days that it was trained with, and those that were added or predicted again since."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from pymongo import ASCENDING
from pymongo.collection import Collection as MongoCollection

from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.online.trained import trained_test
from rollq.tasks.backend import Backend
from rollq.tasks.definition import PREDICT, segments_of
from rollq.tasks.mongo.client import Document, reachable
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Id, Reader
from rollq.tasks.predictions.increments import Increment, load_increment
from rollq.tasks.predictions.session_days import sessions_in
from rollq.tasks.queue.task import Task
from rollq.tasks.tracking.mlflow.experiment import find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder

ADDED, REVISED, LABELS = "added", "revised", "labels"  # of the last, the labels alone count


@dataclass(frozen=True)
class Added:
    """Days that were predicted later: by which task, when (UTC), why, and what its committed result says.

    ``gone`` are days that were asked for and have no row any more.
    """

    task_id: Id
    recorder_id: str
    start: str
    end: str
    at: datetime
    why: str
    result: dict[str, Any]
    gone: tuple[str, ...] = ()


class Predictions:
    """The predictions of the models of a backend. An increment counts from the one write that registers it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def _added(self) -> MongoCollection[Document]:
        return self._backend.store.collection("predictions")

    def ensure_indexes(self) -> None:
        """Make the index; nothing happens where it exists."""
        with reachable():
            self._added.create_index([("recorder_id", ASCENDING), ("at", ASCENDING)])

    def register(self, task: Task, why: str = ADDED) -> None:
        """Let the result of a DONE prediction task count, from now on; calling it again changes nothing."""
        start, end = segments_of(task.definition)["test"]
        document = {
            "schema": SCHEMA,
            "recorder_id": task.definition[PREDICT]["recorder_id"],
            "start": start,
            "end": end,
            "at": self._backend.store.now(),
            "why": why,
            "result": task.committed,
        }
        with reachable():
            # The first registration stays: a later one would move the time from which the prediction counts.
            self._added.update_one({"_id": task.id}, {"$setOnInsert": document}, upsert=True)

    def added(self, recorder_id: str, as_of: datetime | None = None) -> list[Added]:
        """What was added to a model, oldest first.

        Args:
            as_of: leave out what came later than this time (UTC).
        """
        query: Document = {"recorder_id": recorder_id, **({"at": {"$lte": as_of}} if as_of else {})}
        with reachable():
            found = list(self._added.find(query).sort([("at", ASCENDING), ("_id", ASCENDING)]))
        return [_to_added(document) for document in found]

    def forget(self, recorder_ids: Collection[str]) -> list[str]:
        """Remove what was added to models; returns the ids of the tasks that predicted it."""
        query: Document = {"recorder_id": {"$in": sorted(recorder_ids)}}
        with reachable():
            tasks = [str(found["_id"]) for found in self._added.find(query, {"_id": 1})]
            self._added.delete_many(query)
        return tasks

    def last_day(self, pool: str, model: OnlineModel, as_of: datetime | None = None) -> str:
        """The last session that a model has predicted."""
        ends = [one.end for one in self.added(model.recorder_id, as_of) if one.why != LABELS]
        return max([trained_test(self._backend, pool, model)[1], *ends])

    def read(
        self,
        pool: str,
        model: OnlineModel,
        days: Collection[str] | None = None,
        as_of: datetime | None = None,
        *,
        scores_only: bool = False,
    ) -> Increment:
        """The predictions of a model on ``days`` (None: on all), each day as it was predicted last.

        Args:
            pool: the MLflow experiment of the model.
            as_of: as they were at this time (UTC).
            scores_only: leave out labels and hashes that would have to be loaded.

        Returns:
            Predictions, labels of the same rows, and the hashes of the data of each day; all of it may be empty.

        Raises:
            ArtifactMissing, ArtifactCorrupted: what the ledger names is not there, or is not what was written.
        """
        wanted = None if days is None else set(days)
        recorder = find_run(model.recorder_id, self._backend.settings.mlflow_uri)
        parts: list[Increment] = []
        seen: set[str] = set()

        def needed(start: str, end: str) -> bool:
            return wanted is None or any(start <= day <= end for day in wanted - seen)

        added = self.added(model.recorder_id, as_of)
        # Newest first, and a day that was seen is not asked for again: the latest prediction of a day counts.
        for one in reversed(added):
            if one.why != LABELS and needed(one.start, one.end):
                parts += [_unseen(load_increment(recorder, one.result), wanted, seen)]
                seen |= set(one.gone)  # they were there when they were predicted first
        if needed(*trained_test(self._backend, pool, model)):
            parts += [_unseen(_trained(recorder, scores_only), wanted, seen)]
        learned = [] if scores_only else [one for one in added if one.why == LABELS]
        labels = [load_increment(recorder, one.result).label for one in learned]
        return _labelled(_joined(parts), labels)


PREDICTIONS = Reader("predictions", "prediction", Added, "Restore the document from a backup.")


def _to_added(document: Document) -> Added:
    result = document.get("result")
    gone = result.get("gone", []) if isinstance(result, dict) else []
    return PREDICTIONS.read({**document, "gone": gone})


def _trained(recorder: MLflowRecorder, scores_only: bool) -> Increment:
    """The predictions that a run was committed with."""
    pred = _frame(recorder.load_object("pred.parquet"), "score")
    kept = {} if scores_only else recorder.checksums()
    label = _frame(recorder.load_object("label.parquet"), "label") if "label.parquet" in kept else pred.iloc[:0]
    days: Mapping[str, str] = recorder.load_object("days.json") if "days.json" in kept else {}
    # A run may be older than the hashes of days; the empty hash says that the day was predicted, and from what is not
    # known.
    unknown = dict.fromkeys(sessions_in(pred), "")
    return Increment(pred, label, {**unknown, **days})


def _labelled(found: Increment, later: Sequence[pd.DataFrame]) -> Increment:
    """``found`` with the labels that were learned later."""
    label = found.label.copy() if later else found.label
    for one in later:
        known = one[one["label"].notna()]
        label.loc[label.index.intersection(known.index), "label"] = known["label"]
    return Increment(found.pred, label, found.days)


def _frame(values: pd.DataFrame | pd.Series, name: str) -> pd.DataFrame:
    return values.to_frame(name) if isinstance(values, pd.Series) else values


def _unseen(part: Increment, wanted: Collection[str] | None, seen: set[str]) -> Increment:
    """What of ``part`` no later one has given; its days are seen from now on."""
    days = {day for day in part.days if day not in seen and (wanted is None or day in wanted)}
    seen |= days
    return part if len(days) == len(part.days) else part.only(days)


def _joined(parts: list[Increment]) -> Increment:
    # What has no row has no zone either, and would take that of the others.
    parts = [part for part in parts if len(part.pred)] or parts[:1]
    if not parts:
        return Increment.empty()
    pred = pd.concat([part.pred for part in parts]).sort_index()
    label = pd.concat([part.label for part in parts]).sort_index()
    days = {day: found for part in parts for day, found in part.days.items()}
    return Increment(pred, label, dict(sorted(days.items())))
