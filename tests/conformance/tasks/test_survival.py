"""What a store acknowledged is there after it was killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from rollq import Backend, LeaseLost, TaskState, Unavailable
from rollq.tasks.config.settings import load_settings
from tests.conformance.stores import EMBEDDED, StoreServer
from tests.pool_tasks import POOL, definition

KILLS = 3
WRITERS = 4
BETWEEN_SECONDS = 0.7


class Writer(threading.Thread):
    """Creates and commits tasks, whatever becomes of the store; ``created`` and ``committed`` were acknowledged."""

    numbers = count()

    def __init__(self, backend: Backend) -> None:
        super().__init__(daemon=True)
        self.backend = backend
        self.stop = threading.Event()
        self.created: list[str] = []
        self.committed: dict[str, str] = {}

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._work()
            except (Unavailable, LeaseLost):
                self.stop.wait(0.05)

    def _work(self) -> None:
        tasks = self.backend.tasks
        self.created += tasks.create_tasks(POOL, [definition(next(self.numbers)) for _ in range(2)]).ids
        if claimed := tasks.claim(POOL, self.name):
            tasks.commit(claimed, {"by": self.name})
            self.committed[claimed.task_id] = self.name


@pytest.fixture(params=EMBEDDED)
def mortal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreServer]:
    """A store that one test may kill."""
    found = StoreServer.start(request.param, tmp_path)
    yield found
    found.stop()


def test_acknowledged_writes_survive_kills(mortal: StoreServer, tmp_path: Path) -> None:
    backend = Backend.of(load_settings(state_dir=tmp_path, mongo_uri=mortal.uri, mongo_database="kills"))
    backend.prepare()
    writers = [Writer(backend) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        time.sleep(BETWEEN_SECONDS)
        assert mortal.child
        mortal.child.kill()
        mortal.begin()
    time.sleep(BETWEEN_SECONDS)
    for writer in writers:
        writer.stop.set()
    for writer in writers:
        writer.join(60)
        assert not writer.is_alive()
    created = [ident for writer in writers for ident in writer.created]
    committed = {ident: by for writer in writers for ident, by in writer.committed.items()}
    found = {task.id: task for task in backend.tasks.find(POOL)}
    backend.store.close()
    assert len(created) > 50
    assert len(committed) > 20
    assert set(created) <= set(found)
    for ident, by in committed.items():
        assert (found[ident].status, found[ident].result) == (TaskState.DONE, {"by": by})
