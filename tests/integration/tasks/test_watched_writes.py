"""The watch over all tests (``tests/watched_writes.py``) sees a write to a status past its table."""

from __future__ import annotations

from rollq import Backend
from rollq.tasks.queue.states import TASK_STATES
from tests.watched_writes import WRITES, violation


def test_a_write_past_its_table_is_seen(backend: Backend) -> None:
    """The watch over all tests: what it says of good and of bad writes."""
    before = WRITES.seen
    backend.tasks.create_tasks("pool", [{"number": 1}])
    claim = backend.tasks.claim("pool", "w")
    assert claim
    backend.tasks.commit(claim, {})
    assert (WRITES.seen, WRITES.wrong) == (before + 3, [])
    for starts, ends, correction, why in (
        (["DONE"], {"RUNNING"}, False, "DONE -> RUNNING is not in the table"),
        (["WAITING"], {"DONE", "FAILED"}, False, "WAITING -> FAILED is not in the table"),
        ([], {"DONE"}, False, "names no status"),
        ([None], {"DONE"}, False, "None -> DONE"),
        (["CANCELLED"], {"FAILED"}, True, "CANCELLED -> FAILED"),
    ):
        assert why in violation(TASK_STATES, list(starts), ends, correction=correction)
    assert violation(TASK_STATES, ["WAITING"], {"FAILED"}, correction=True) == ""
