"""The ledger of signals: numbered entries that never change, the newest of a session before the earlier ones."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest

from rollq import Backend, MLflowExperiment, NotFound, RollqError
from rollq.scheduler.signals.files import write_signals
from rollq.scheduler.signals.ledger import Publication, SignalEntry, SignalLedger

DAYS = ["2021-01-04", "2021-01-05", "2021-01-06"]


def frame(days: list[str], score: float) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([pd.DatetimeIndex(days), ["A", "B"]], names=["datetime", "instrument"])
    return pd.DataFrame({"score": score}, index)


class Ledger:
    """A ledger and a strategy of its own: MLflow outlives the tests."""

    def __init__(self, backend: Backend) -> None:
        self.ledger = SignalLedger(backend)
        self.ledger.ensure_indexes()
        self.name = f"ledger{uuid4().hex[:6]}"

    def publish(self, number: int, days: list[str], score: float, **more: Any) -> SignalEntry | None:
        publication = Publication(
            strategy=self.name,
            number=number,
            session=max(days, default=DAYS[0]),
            days=tuple(days),
            gaps=tuple(more.get("gaps", ())),
            versions=(1,),
            pool=self.name,
            by="me",
            why=more.get("why", "routine"),
        )
        return self.ledger.publish(publication, frame(days, score) if days else frame(DAYS[:1], 0.0).iloc[:0])


@pytest.fixture
def book(backend: Backend) -> Ledger:
    return Ledger(backend)


def test_the_newest_entry_of_a_session_is_read_and_earlier_ones_stay(book: Ledger) -> None:
    with pytest.raises(NotFound):
        book.ledger.read(book.name)
    first, second = book.publish(1, DAYS[:2], 1.0), book.publish(2, DAYS[1:], 2.0, why="revised data")
    assert first
    assert second
    assert book.ledger.entries(book.name) == [first, second]
    assert book.ledger.read(book.name)["score"].tolist() == [1.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    assert book.ledger.read(book.name, DAYS[1:2])["score"].tolist() == [2.0, 2.0]
    assert book.ledger.read(book.name, as_of=first.at)["score"].tolist() == [1.0] * 4
    with pytest.raises(NotFound):
        book.ledger.read(book.name, as_of=datetime(2020, 1, 1, tzinfo=UTC))
    assert book.ledger.last_day(book.name) == DAYS[2]


def test_gaps_count_as_looked_at_and_a_session_may_be_empty(book: Ledger) -> None:
    book.publish(1, DAYS[:1], 1.0, gaps=[f"{DAYS[1]} A", f"{DAYS[0]} B"])
    assert book.ledger.last_day(book.name) == DAYS[1]
    empty = book.publish(2, [], 0.0, gaps=DAYS[2:])
    assert empty
    assert (empty.rows, book.ledger.last_day(book.name)) == (0, DAYS[2])
    assert len(book.ledger.read(book.name)) == 2


def test_a_number_is_given_once(book: Ledger) -> None:
    book.publish(1, DAYS[:1], 0.0)
    got: list[SignalEntry | None] = []
    threads = [threading.Thread(target=lambda n=n: got.append(book.publish(2, DAYS[1:], float(n)))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = filter(None, got)
    assert book.ledger.entries(book.name)[1:] == [winner]
    assert book.ledger.load(winner).equals(book.ledger.read(book.name, DAYS[1:]))


def test_an_artifact_that_was_changed_is_not_read(backend: Backend, book: Ledger, tmp_path: Any) -> None:
    entry = book.publish(1, DAYS, 1.0)
    assert entry
    write_signals(frame(DAYS, 9.0), tmp_path / "other.parquet")
    recorder = MLflowExperiment.open(book.name, backend.settings.mlflow_uri).get_recorder(entry.recorder_id)
    recorder.storage.write({entry.artifact: (tmp_path / "other.parquet").read_bytes()})
    with pytest.raises(RollqError, match="not what was published"):
        book.ledger.read(book.name)
