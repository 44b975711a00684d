"""The watchdog: a worker that receives nothing while messages wait is restarted; a busy or idle one is not."""

from __future__ import annotations

import pytest

from rollq import Backend, TaskState, Unavailable
from rollq.workers.process.watchdog import ConsumerHeartbeat, Watchdog
from tests.acceptance.processes.worker_processes import wait_until, worker
from tests.chaos.job import definition


def test_a_deaf_worker_is_restarted_and_works(backend: Backend) -> None:
    patient = backend.settings.model_copy(update={"watchdog_seconds": 3.0})
    with worker(patient, 1, "deaf_worker.py") as process:
        wait_until(lambda: bool(list(patient.state_dir.glob(f"deaf-{patient.mongo_database}"))))
        backend.tasks.create_tasks("pool", [definition(n, 0.0) for n in range(5)])
        backend.notifier.top_up("pool")
        wait_until(lambda: backend.tasks.stat("pool")[TaskState.DONE] == 5)
        assert process.poll() is None, "its supervisor sees the same process"
        wait_until(lambda: bool(backend.worker_registry.workers()), 5)
        (entry,) = backend.worker_registry.workers()
        assert (entry.alive, entry.restarts, entry.name.rpartition("/")[2]) == (True, 1, str(process.pid))
    assert backend.worker_registry.workers() == [], "a worker that stops is deregistered"


class World:
    """What a watchdog sees."""

    def __init__(self) -> None:
        self.consumer, self.messages, self.idle, self.restarted = ConsumerHeartbeat(), 1, True, 0
        self.dog = Watchdog(self.consumer, self.count, lambda: self.idle, 1e-9, self.restart)

    def count(self) -> int:
        if self.messages < 0:
            raise Unavailable("The broker does not answer.")
        return self.messages

    def restart(self) -> None:
        self.restarted += 1

    def look(self, times: int = 1) -> int:
        for _ in range(times):
            self.dog.look()
        return self.restarted


def test_it_needs_two_looks_at_the_same_silence() -> None:
    assert World().look(1) == 0
    assert World().look(2) == 1


@pytest.mark.parametrize("what", ["message", "no message", "busy", "away"])
def test_whatever_shows_that_it_is_not_deaf_begins_the_patience_anew(what: str) -> None:
    world = World()
    world.look()
    if what == "message":
        world.consumer.beat()
    world.messages = {"no message": 0, "away": -1}.get(what, 1)
    world.idle = what != "busy"
    if what == "away":
        with pytest.raises(Unavailable):
            world.look()
    else:
        world.look()
    assert world.restarted == 0
    world.messages, world.idle = 1, True
    assert world.look() == (1 if what == "message" else 0)
    assert world.look() >= 1
