"""TaskManager: one task pool, with the methods and meanings that Qlib's users know, without its losses.

It is a thin face of ``TaskQueue``: what it fetches is under a lease and a fence, and workers are notified of what is
new, so that Celery workers and plain loops (``tasks/client/run_task.py``) may share a pool.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, overload

from rollq.tasks.backend import Backend
from rollq.tasks.client.documents import Inserted, TaskCounts, as_stored, ident_of, idents_of
from rollq.tasks.client.documents import new_task as parsed
from rollq.tasks.client.held_tasks import HeldTasks
from rollq.tasks.client.queries import as_state, translate
from rollq.tasks.client.replacement import replace
from rollq.tasks.client.waiting import Progress, Waited, wait_for
from rollq.tasks.errors import NotFound
from rollq.tasks.identity import canonical, task_id, task_key
from rollq.tasks.mongo.client import Document
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task

log = logging.getLogger(__name__)

Query = Mapping[str, object]
AnyTask = Task | Query | str
Ids = list[str]  # a name of its own: in the class ``list`` is a method


class TaskManager:
    """A task pool.

    Args:
        task_pool: its name; it need not exist yet.
        backend: the servers; by default those that the settings name, or of the stack that runs in the state folder.

    Raises:
        Unavailable: there are no servers.
    """

    STATUS_WAITING = TaskState.WAITING
    STATUS_RUNNING = TaskState.RUNNING
    STATUS_PART_DONE = TaskState.PART_DONE
    STATUS_DONE = TaskState.DONE

    def __init__(self, task_pool: str, backend: Backend | None = None) -> None:
        self.task_pool = task_pool
        self.backend = backend or Backend.connect()
        self._tasks = self.backend.tasks
        self._held = HeldTasks(self.backend, task_pool)

    @staticmethod
    def list(backend: Backend | None = None) -> Ids:
        """Names of all pools."""
        return (backend or Backend.connect()).tasks.pools()

    # -- creating -----------------------------------------------------------------------------------------------------

    def create_task(
        self, task_def_l: Iterable[Query], dry_run: bool = False, print_nt: bool = False, **options: Any
    ) -> Ids:
        """Create those tasks of a list that are not in the pool yet; it is one call, however long the list.

        Args:
            task_def_l: definitions: mappings with a JSON form.
            dry_run: create nothing.
            print_nt: log each new definition.
            options: ``priority``, ``queue``, ``held``, ``requested``, ``time_limit``, as for ``create_tasks``.

        Returns:
            The ids of all tasks of the list, in its order; with ``dry_run`` those that they have or would have.

        Raises:
            TemplateError: a definition cannot be stored; nothing was created.
        """
        definitions = [canonical(definition) for definition in task_def_l]
        # Known without asking the store: ids are made of what tasks are.
        ids = [task_id(self.task_pool, task_key(definition)) for definition in definitions]
        if print_nt or dry_run:
            there = {task.id for task in self._tasks.find(self.task_pool, ids=ids)}
            new = {ident: made for ident, made in zip(ids, definitions, strict=True) if ident not in there}
            log.info("%s tasks, %s of them new", len(ids), len(new))
            log.info("new: %s", [*new.values()] if print_nt else [*new])
        if not dry_run:
            self._tasks.create_tasks(self.task_pool, definitions, **options)
            self._notify()
        return ids

    def insert_task(self, task: Query, **options: Any) -> Inserted:
        """Create one task, of its definition or of a document ``{"def": definition, "priority": ...}``; returns its id.
        If the pool has it already, nothing changes. Raises BadInput for what a new task cannot have.
        """
        definition, more = parsed(task)
        return Inserted(self.create_task([definition], **{**more, **options})[0])

    def insert_task_def(self, task_def: Query, **options: Any) -> Inserted:
        """Create one task of a definition, whatever its keys are called; as ``insert_task``."""
        return Inserted(self.create_task([task_def], **options)[0])

    def replace_task(self, task: AnyTask, new_task: Query) -> str:
        """Put another definition in the place of a task: its priority, queue, requested resources and open rounds stay.

        The old task is removed, unless it serves or ever served.

        Args:
            task: the old one.
            new_task: a definition, or a document as for ``insert_task``.

        Returns:
            The id of the new task: another definition is another task.

        Raises:
            NotFound: there is no such task.
            StateError: it is running.
        """
        definition, options = parsed(new_task)
        new = replace(self.backend, self.re_query(task), definition, options.get("priority"))
        self._notify()
        return new

    # -- fetching -----------------------------------------------------------------------------------------------------

    def fetch_task(self, query: Query | None = None, status: object = TaskState.WAITING) -> Task | None:
        """Take the best task; None if there is none. Renew it, commit it or return it before its lease is over.

        Args:
            query: only tasks that it finds.
            status: WAITING, or PART_DONE for the second phase.
        """
        claim = self._held.claim(query, as_state(status))
        return self._tasks.get(claim.task_id) if claim else None

    @contextmanager
    def safe_fetch_task(self, query: Query | None = None, status: object = TaskState.WAITING) -> Iterator[Task | None]:
        """Take the best task for the length of the block, in which its lease is renewed.

        If the block raises, the task is returned, untried. If the block ends without ``commit_task_res``, it is
        returned too: nothing stays RUNNING.

        Raises:
            LeaseLost: the task was cancelled, or the block could not renew its lease.
        """
        claim = self._held.claim(query, as_state(status))
        if claim is None:
            yield None
            return
        with self._held.until_the_end(claim) as task:
            yield task

    def task_fetcher_iter(self, query: Query | None = None) -> Iterator[Task]:
        """Take task after task, each as with ``safe_fetch_task``, until none is left."""
        while True:
            with self.safe_fetch_task(query) as task:
                if task is None:
                    return
                yield task

    def commit_task_res(self, task: Task, res: object, status: object = TaskState.DONE) -> None:
        """Store the result of a fetched task.

        Args:
            task: as it was fetched.
            res: a mapping of small JSON, a recorder, or None.
            status: DONE, or PART_DONE after the first phase.

        Raises:
            LeaseLost: another worker has the task now; nothing was stored.
            BadInput: ``res`` is none of these, or has no JSON form.
        """
        self._held.commit(task, res, as_state(status) if status is not None else TaskState.DONE)

    def fail_task(self, task: Task, error: BaseException) -> TaskState:
        """A fetched task failed: it is tried again later, or FAILED. Returns its state.

        Raises:
            LeaseLost: it is not held any more.
        """
        return self._held.fail(task, error)

    def return_task(self, task: Task, status: object = None) -> None:
        """Give a fetched task back, untried, to the state that it was fetched from.

        Raises:
            LeaseLost: it is not held any more.
            BadInput: ``status`` is another state.
        """
        self._held.give_back(task, None if status is None else as_state(status))

    # -- looking ------------------------------------------------------------------------------------------------------

    @overload
    def query(
        self, query: Query | None = None, decode: Literal[True] = True, *, definitions: bool = True
    ) -> Iterator[Task]: ...

    @overload
    def query(self, query: Query | None = None, *, decode: Literal[False]) -> Iterator[dict[str, Any]]: ...

    def query(self, query: Query | None = None, decode: bool = True, *, definitions: bool = True) -> Iterator[Any]:
        """The tasks that a query finds, in the order in which they were created, one by one.

        Args:
            query: dates in it may be Timestamps.
            decode: as ``Task``; else as documents, as the store holds them.
            definitions: bring their definitions too (large).
        """
        selected = self._selected(query)
        tasks = self._tasks
        return tasks.stream(selected, definitions=definitions) if decode else map(as_stored, tasks.documents(selected))

    def re_query(self, _id: AnyTask) -> Task:
        """A task as it is now.

        Args:
            _id: its id, or the task.

        Raises:
            NotFound: the pool has none with this id.
        """
        found = self._tasks.get(ident_of(_id))
        if found.pool != self.task_pool:
            raise NotFound(f"Task {found.id} is in pool {found.pool!r}, not in {self.task_pool!r}.")
        return found

    def task_stat(self, query: Query | None = None) -> TaskCounts:
        """How many tasks are in each state."""
        return TaskCounts(self._tasks.count(self._selected(query)))

    def wait(
        self, query: Query | None = None, timeout: float | None = None, progress: Progress | None = None
    ) -> Waited:
        """Wait until every task that a query finds is finished; woken by changes in the store.

        Args:
            query: as for ``query``; None: all tasks of the pool.
            timeout: seconds; None waits for ever.
            progress: called with the states whenever they have changed.

        Raises:
            StateError: the time is over; the tasks go on.
        """
        return wait_for(self.backend, self.task_pool, self._selected(query), timeout, progress)

    # -- changing -----------------------------------------------------------------------------------------------------

    def remove(self, query: Query | None = None) -> Ids:
        """Delete tasks and their history, except what runs, serves or ever served; returns the ids of those deleted."""
        return self._tasks.remove(self._ids(query))

    def reset_waiting(self, query: Query | None = None) -> Ids:
        """Take back RUNNING tasks whose lease is gone, and only those; returns their ids. Sweeps do it all the time."""
        # Only what is lost: Qlib's method puts every RUNNING task back, also those that a living worker holds.
        taken = self._tasks.reclaim("reset by hand", among=self._selected(query))
        self._notify()
        return [task.id for task in taken]

    def reset_status(self, query: Query | None, status: object) -> Ids:
        """Move tasks to WAITING (failed, quarantined, cancelled, done and half done ones) or to CANCELLED.

        Returns:
            The ids of the tasks that moved. A running task is never moved to WAITING: cancel it.

        Raises:
            InvalidTransition: tasks cannot be put into this state by hand.
        """
        moved = self._tasks.reset(self._ids(query), as_state(status), "reset by hand")
        self.backend.rounds.reopen(self.task_pool, moved)
        self._notify()
        return moved

    def prioritize(self, task: AnyTask | Sequence[AnyTask], priority: int) -> int:
        """Set the priority (higher is sooner) of an unfinished task, or of several; returns of how many."""
        found = self._tasks.prioritize(idents_of(task), priority)
        self._notify()
        return found

    def __str__(self) -> str:
        """As the reference shows it."""
        return f"TaskManager({self.task_pool})"

    # -- inside -------------------------------------------------------------------------------------------------------

    def _selected(self, query: Query | None) -> Document:
        return {"$and": [{"pool": self.task_pool}, translate(query)]} if query else {"pool": self.task_pool}

    def _ids(self, query: Query | None) -> Sequence[str]:
        return [task.id for task in self.query(query, definitions=False)]

    def _notify(self) -> None:
        self.backend.notifier.try_top_up(self.task_pool)
