"""An expression knows its columns, how far it looks, and one canonical text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.expression import LABEL, Lead, parse
from rollq.workers.expressions.span import Span
from tests.unit.workers.expressions.grids import COLUMNS


@pytest.mark.parametrize(
    ("text", "lookback", "lookahead"),
    [
        ("close", "0", "0"),
        ("close / lag(close, 5)", "5", "0"),
        ("mean(close, 20) / close - 1", "19", "0"),
        ("mean(lag(close, 5), 20)", "24", "0"),
        ("lag(mean(close, 20), 24h)", "19 + 24h", "0"),
        ("max(close, 5) - lag(close, 7d)", "4 + 7d", "0"),
        ("lead(close, 6) / lead(close) - 1", "0", "6"),
        ("lag(lead(close, 6), 4)", "0", "2"),
        ("lead(mean(close, 5), 5)", "0", "5"),
        ("lead(close, 24h)", "0", "24h"),
    ],
)
def test_how_far_it_looks_follows_from_its_parts(text: str, lookback: str, lookahead: str) -> None:
    found = parse(text, columns=COLUMNS, lead=LABEL)
    assert (str(found.lookback), str(found.lookahead)) == (lookback, lookahead)


def test_what_it_sees_is_exact_on_a_grid_with_gaps() -> None:
    times = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-05", "2024-01-08", "2024-01-09"])
    found = parse("mean(lag(close, 7d), 2)", columns=None, lead=None)
    assert list(found.first_seen(times)) == [-2, -1, -1, -1, 0]
    label = parse("lead(close, 2)", columns=None, lead=LABEL)
    assert list(label.last_seen(times)) == [2, 3, 4, 5, 6]
    days = parse("lead(close, 3d)", columns=None, lead=LABEL)
    assert list(days.last_seen(times)) == [1, 2, 3, 4, 4]


@pytest.mark.parametrize(
    ("text", "lead", "says"),
    [
        ("lead(close, 1)", None, "Only a label may look ahead"),
        ("close - lead(close, 1)", {"volume": Span(5)}, "Only a label"),
        ("lead(volume, 6)", {"volume": Span(5)}, "known 5 ahead"),
        ("lead(volume, 24h)", {"volume": Span(24)}, "same unit"),
        ("lead(lag(lead(close, 2), 1), 1)", {}, "looks 2 ahead of 'close'"),
    ],
)
def test_a_feature_must_not_look_ahead(text: str, lead: Lead, says: str) -> None:
    with pytest.raises(TemplateError, match=says) as caught:
        parse(text, columns=COLUMNS, lead=lead, key="dataset.kwargs.features[0]")
    assert caught.value.key == "dataset.kwargs.features[0]"


@pytest.mark.parametrize("text", ["lead(volume, 5)", "close - lead(volume, 2)", "lag(lead(close, 2), 2)"])
def test_what_is_known_in_advance_may_be_used(text: str) -> None:
    assert parse(text, columns=COLUMNS, lead={"volume": Span(5)}).columns


def test_columns_and_texts() -> None:
    found = parse(" close/`net sales`  -  col('a b')**2", columns=None, lead=None)
    assert found.columns == ("a b", "close", "net sales")
    assert found.text == "(close / `net sales`) - (`a b` ** 2)"
    assert parse(found.text, columns=None, lead=None) == found
    assert np.array_equal(found.first_seen(pd.date_range("2024", periods=3)), [0, 1, 2])
