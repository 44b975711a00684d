"""A round's purpose is one of two records, told apart by its tag; anything else makes the round invalid."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from rollq.tasks.errors import DocumentCorrupted
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.rounds.documents import ROUNDS
from rollq.tasks.rounds.purpose import Purpose, Research, Serve

SERVE = Serve("s", ("2021-01-04",), session="2021-01-04", why="routine", routine="s", follows="another")
RESEARCH = Research("s", ("2021-01-04",), "s:deep", lookahead=2)


def document(purpose: object) -> dict[str, Any]:
    return {
        **{"_id": "r", "schema": SCHEMA, "pool": "p", "task_ids": ["t"], "policy": "all", "purpose": purpose},
        **{"status": "open", "held": False, "after": [], "unblocked": True, "fence": 0, "lease": None, "reason": ""},
        **{"created_at": datetime(2021, 1, 4, tzinfo=UTC), "finished_at": None, "result": None},
    }


@pytest.mark.parametrize("purpose", [SERVE, RESEARCH])
def test_a_purpose_comes_back_as_it_was_written(purpose: Purpose) -> None:
    read = ROUNDS.read(document(asdict(purpose)))
    assert read.purpose == purpose
    assert type(read.purpose) is type(purpose)


@pytest.mark.parametrize(
    "change",
    [{"kind": "wish"}, {"kind": None}, {"sessions": "2021-01-04"}, {"sessions": [4]}, {"strategy": None}],
    ids=repr,
)
def test_another_purpose_makes_the_round_invalid(change: dict[str, object]) -> None:
    for purpose in (SERVE, RESEARCH):
        with pytest.raises(DocumentCorrupted, match="purpose"):
            ROUNDS.read(document({**asdict(purpose), **change}))
    with pytest.raises(DocumentCorrupted, match="purpose"):
        ROUNDS.read(document({}))
