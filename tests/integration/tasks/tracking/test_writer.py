"""The writer: order, batches, a bound, and failures that are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from rollq.tasks.tracking.mlflow.writer import Item, Writer


def metric(number: int) -> Metric:
    return Metric("m", float(number), 0, number)


class Store:
    """Takes batches, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.batches: list[list[Item]] = []
        self.bad: set[str] = set()
        self.open = threading.Event()
        self.open.set()

    def send(self, items: Sequence[Item]) -> None:
        self.open.wait()
        if any(item.key in self.bad for item in items):
            raise MlflowException.invalid_parameter_value("no such thing")
        self.batches.append(list(items))

    @property
    def items(self) -> list[Item]:
        return [item for batch in self.batches for item in batch]


def test_everything_arrives_in_order_in_few_batches() -> None:
    store = Store()
    store.open.clear()
    writer = Writer(store.send)
    writer.put([metric(0)])
    sent = [metric(n) for n in range(1, 2_500)] + [Param(f"p{n}", "v") for n in range(250)] + [RunTag("t", "v")]
    writer.put(sent)
    store.open.set()
    writer.flush()
    assert store.items[1:] == sent
    assert len(store.batches) <= 8
    for batch in store.batches:
        assert len(batch) <= 1_000
        assert sum(isinstance(item, Param) for item in batch) <= 100
    writer.close()
    writer.put([metric(1)])  # a closed writer begins anew
    writer.close()
    assert store.items[-1] == metric(1)


def test_a_full_writer_lets_the_caller_wait() -> None:
    store = Store()
    store.open.clear()
    writer = Writer(store.send, capacity=10)
    caller = threading.Thread(target=writer.put, args=([metric(n) for n in range(50)],))
    caller.start()
    caller.join(0.3)
    assert caller.is_alive()
    store.open.set()
    caller.join(10)
    writer.flush()
    assert len(store.items) == 50


def test_what_is_refused_is_told_and_all_else_is_written() -> None:
    store = Store()
    store.bad = {"bad3", "bad7"}
    store.open.clear()
    writer = Writer(store.send)
    writer.put([metric(0)])
    writer.put(Param(f"{'bad' if n in (3, 7) else 'p'}{n}", "v") for n in range(10))
    store.open.set()
    writer.flush()
    failed = writer.take_failures()
    assert [one.item.key for one in failed] == ["bad3", "bad7"]
    assert "no such thing" in str(failed[0])
    assert writer.take_failures() == []
    assert [item.key for item in store.items[1:]] == [f"p{n}" for n in range(10) if n not in (3, 7)]


@pytest.mark.parametrize("error", [ConnectionError("refused"), MlflowException("x", error_code=1)])
def test_a_store_that_is_away_for_a_while_loses_nothing(error: Exception) -> None:
    arrived: list[Item] = []
    back = time.monotonic() + 0.5

    def send(items: Sequence[Item]) -> None:
        if time.monotonic() < back:
            raise error
        arrived.extend(items)

    writer = Writer(send)
    writer.put([metric(n) for n in range(5)])
    writer.flush()
    assert len(arrived) == 5
    assert writer.take_failures() == []


def test_a_store_that_stays_away_is_told_of() -> None:
    def send(_: Sequence[Item]) -> None:
        raise ConnectionError("refused")

    writer = Writer(send, patience=0.2)
    writer.put([metric(n) for n in range(5)])
    writer.flush()
    assert len(writer.take_failures()) == 5
