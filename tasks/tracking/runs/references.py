"""References: who refers to an MLflow run or to a task. What is referred to is never closed, changed or deleted.

The one place that is asked before a run or a task is touched. It only reads, and takes every document as it finds it:
one that is corrupted refers to the ids that it still holds.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from rollq.tasks.errors import StateError
from rollq.tasks.mongo.client import Document, Store, reachable
from rollq.tasks.tracking.runs import run_tags
from rollq.tasks.tracking.runs.run import Run

log = logging.getLogger(__name__)

RUN, TASK = "recorder_id", "task_id"
RESULTS = ("result", "kept")  # of a task
SHOWN = 2  # references named in one line
FIX = "What serves, or ever served, stays as it is; OnlineManager.reset() forgets what a simulation put online."

Reference = tuple[str, set[str]]  # what it is, in words, and the ids that it holds


class References:
    """What the documents of a store refer to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_runs(self, runs: Collection[str]) -> dict[str, list[str]]:
        """Who refers to runs, by the id of the run; those that nothing refers to are left out.

        Online sets of every version with their challengers, published signals, predictions, and results of tasks.

        Raises:
            Unavailable: the store does not answer.
        """
        with reachable():
            return _among(runs, chain(self._results(runs), self._serving(runs)))

    def of_tasks(self, tasks: Collection[str]) -> dict[str, list[str]]:
        """Which online sets and predictions refer to tasks, by the id of the task.

        Raises:
            Unavailable: the store does not answer.
        """
        with reachable():
            return _among(tasks, self._serving(tasks))

    def check_runs(self, runs: Collection[str], deed: str) -> None:
        """Refuse to do something to runs that something refers to.

        Args:
            deed: what was to be done, such as "deleted".

        Raises:
            StateError: something refers to one of them.
            Unavailable: the store does not answer.
        """
        for run, what in self.of_runs(runs).items():
            raise StateError(f"Run {run} cannot be {deed}: it belongs to {shown(what)}.", FIX)

    def check_serving(self, runs: Collection[str], deed: str) -> None:
        """As ``check_runs``, of what serves or ever served and of rounds that are not finished.

        Raises:
            StateError, Unavailable: as ``check_runs``.
        """
        with reachable():
            found = _among(runs, chain(self._serving(runs), self._waited_for(runs)))
        for run, what in found.items():
            raise StateError(f"Run {run} cannot be {deed}: it belongs to {shown(what)}.", FIX)

    def tasks_of(self, runs: Collection[str]) -> dict[str, str]:
        """The tasks whose results runs hold, each with its run.

        Raises:
            Unavailable: the store does not answer.
        """
        query = {f"result.{RUN}": {"$in": list(runs)}}
        with reachable():
            found = list(self._store.collection("tasks").find(query, {f"result.{RUN}": 1}))
        return {str(document["_id"]): str(document["result"][RUN]) for document in found}

    def _waited_for(self, runs: Collection[str]) -> Iterator[Reference]:
        """The rounds that are not finished and have tasks with these runs."""
        tasks = self.tasks_of(runs)
        unfinished = {"status": {"$in": ["open", "gathering"]}, "task_ids": {"$in": list(tasks)}}
        for document in self._store.collection("rounds").find(unfinished, {"task_ids": 1}) if tasks else ():
            held = {tasks[task] for task in document["task_ids"] if task in tasks}
            yield f"round {document['_id']}, which is not finished", held

    def close(self, recorder: Run, why: str) -> bool:
        """End a run that came to nothing as FAILED, with the reason as a tag; one that something refers to stays.

        Returns:
            Whether it was closed.

        Raises:
            Unavailable: store or MLflow does not answer.
        """
        if what := self._of_run(recorder):
            log.warning("run %s (%s) is not closed: it belongs to %s", recorder.id, why, shown(what))
            return False
        recorder.supersede(why)
        return True

    def _of_run(self, recorder: Run) -> list[str]:
        """Who refers to a run. One that was made under a claim can only be the result of its own task: the others, of
        which there may be a million, are not searched.
        """
        task = recorder.tags.get(run_tags.TASK)
        with reachable():
            results = self._results([recorder.id], {"_id": task} if task else None)
            return _among([recorder.id], chain(results, self._serving([recorder.id]))).get(recorder.id, [])

    def _serving(self, ids: Collection[str]) -> Iterator[Reference]:
        """Online sets, published signals and predictions that may refer to runs or tasks with these ids."""
        fields = dict.fromkeys(("strategy", "version", "models", "challengers", "signals"), 1)
        # All versions are read and searched here: ids lie at several depths of a set, and there are hundreds of sets,
        # not millions.
        for document in self._store.collection("online_sets").find({}, fields):
            yield f"version {document.get('version')} of strategy {document.get('strategy')!r}", set(_ids(document))
        of_run: Document = {RUN: {"$in": list(ids)}}
        for document in self._store.collection("signals").find(of_run, dict.fromkeys((RUN, "strategy", "number"), 1)):
            yield f"signals {document.get('number')} of {document.get('strategy')!r}", set(_ids(document))
        for query in (of_run, {"_id": {"$in": list(ids)}}):
            for document in self._store.collection("predictions").find(query, dict.fromkeys((RUN, "start", "end"), 1)):
                held = {str(document["_id"]), *_ids(document)}
                yield f"the predictions of {document.get('start')} to {document.get('end')}", held

    def _results(self, runs: Collection[str], among: Document | None = None) -> Iterator[Reference]:
        query = among or {"$or": [{f"{name}.{RUN}": {"$in": list(runs)}} for name in RESULTS]}
        for document in self._store.collection("tasks").find(query, dict.fromkeys(RESULTS, 1)):
            yield f"the result of task {document['_id']}", set(_ids(document))


def shown(what: Sequence[str]) -> str:
    """References in a line."""
    more = f" and {len(what) - SHOWN} more" if len(what) > SHOWN else ""
    return ", ".join(what[:SHOWN]) + more


def _among(ids: Collection[str], references: Iterable[Reference]) -> dict[str, list[str]]:
    asked, found = set(ids), dict[str, list[str]]()
    for what, held in references:
        for ident in held & asked:
            found.setdefault(ident, []).append(what)
    return found


def _ids(value: object) -> Iterator[str]:
    """Every id of a run or a task in a document, however deep."""
    if isinstance(value, Mapping):
        yield from (value[name] for name in (RUN, TASK) if isinstance(value.get(name), str))
        value = [part for part in value.values() if isinstance(part, Mapping | list)]
    for part in value if isinstance(value, list) else ():
        yield from _ids(part)
