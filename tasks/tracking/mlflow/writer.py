"""The writer: sends what a recorder logs to MLflow from a thread of its own, in order, in batches.

It is bounded: when it is full, the caller waits. What could not be written is told at the next call or at the end,
never forgotten; everything after it is still written.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mlflow.entities import Metric, Param, RunTag

from rollq.tasks.errors import NotLogged
from rollq.tasks.tracking.runs.retry import PATIENCE_SECONDS, is_passing, retry

log = logging.getLogger(__name__)

Item = Metric | Param | RunTag

CAPACITY = 10_000  # items that wait at most
MAX_ITEMS, MAX_PARAMS, MAX_TAGS = 1_000, 100, 100  # per call, MLflow's limits

SHOWN = 3  # items named in an error


@dataclass(frozen=True)
class NotWritten:
    """An item that MLflow did not take, and why."""

    item: Item
    why: str

    def __str__(self) -> str:
        """As it stands in the error."""
        kind = {Metric: "metric", Param: "param", RunTag: "tag"}[type(self.item)]
        return f"{kind} {self.item.key!r} ({self.why})"


class Writer:
    """Sends items in the order in which they were given.

    Args:
        send: sends one batch; raises if the store does not take it.
        patience: seconds for which a batch is tried again while the store is away.
    """

    def __init__(
        self,
        send: Callable[[Sequence[Item]], None],
        capacity: int = CAPACITY,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """The thread starts with the first item: most recorders that are read log nothing."""
        self._send = send
        self._capacity = capacity
        self._patience = patience
        self._items: deque[Item] = deque()
        self._failed: list[NotWritten] = []
        self._sending = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, items: Iterable[Item]) -> None:
        """Take items; waits while the writer is full."""
        for item in items:
            with self._changed:
                # The caller waits here when it logs faster than MLflow writes: memory does not grow, and nothing is
                # dropped.
                self._changed.wait_for(lambda: len(self._items) < self._capacity)
                self._items.append(item)
                self._start()
                self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything that was taken is written, or known not to be."""
        with self._changed:
            # The queue may be empty while its last batch is on its way.
            self._changed.wait_for(lambda: not self._items and not self._sending)

    def take_failures(self) -> list[NotWritten]:
        """What could not be written since the last call."""
        with self._changed:
            failed, self._failed = self._failed, []
        return failed

    def close(self) -> None:
        """Write what is left and end the thread."""
        self.flush()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()
        self._thread, self._closed = None, False

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="rollq-writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while batch := self._next():
            self._write(batch)
            with self._changed:
                self._sending = 0
                self._changed.notify_all()

    def _next(self) -> list[Item]:
        """The next batch: waits for items, and takes as many in order as one call of MLflow allows."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            batch: list[Item] = []
            room = {Metric: MAX_ITEMS, Param: MAX_PARAMS, RunTag: MAX_TAGS}
            # In order, up to the first item that finds no room: taking later ones before it would mix up values of one
            # name.
            while self._items and len(batch) < MAX_ITEMS and room[type(self._items[0])]:
                room[type(self._items[0])] -= 1
                batch.append(self._items.popleft())
            self._sending = len(batch)
            self._changed.notify_all()
        return batch

    def _write(self, batch: Sequence[Item]) -> None:
        """Write a batch; one that is refused is halved until the items to blame are found."""
        try:
            retry(lambda: self._send(batch), self._patience)
        except Exception as error:  # noqa: BLE001 - whatever the client raises: the caller learns of it
            # A store that is away refuses every half, too: halving finds culprits only where the content was refused.
            if len(batch) == 1 or is_passing(error):
                self._note(batch, error)
                return
            middle = len(batch) // 2
            self._write(batch[:middle])
            self._write(batch[middle:])

    def _note(self, batch: Sequence[Item], error: Exception) -> None:
        log.warning("%s items could not be logged: %s", len(batch), error)
        why = " ".join(str(error).split())[:200]
        with self._changed:
            self._failed += [NotWritten(item, why) for item in batch]


def not_logged(ident: str, failed: Sequence[NotWritten]) -> NotLogged:
    """What MLflow did not take of a recorder, as one error."""
    shown = "; ".join(str(one) for one in failed[:SHOWN])
    more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    return NotLogged(f"Recorder {ident}: MLflow did not take {shown}{more}.", "Everything else was written.")
