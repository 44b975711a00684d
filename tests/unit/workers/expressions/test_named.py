"""Named sets: what they need, what stands for a column, and that each of their features can be computed."""

from __future__ import annotations

import numpy as np
import pytest

from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.expression import parse
from rollq.workers.expressions.grid import Grid
from rollq.workers.expressions.sets.named import SETS, named_set
from tests.unit.workers.expressions.grids import made_grid, several

BARS = ("open", "high", "low", "close", "vwap", "volume", "value")


def bars(rows: int = 130) -> Grid:
    grid = made_grid(rows, 3, missing=0.0)
    close, volume = grid.fields["close"], grid.fields["volume"]
    return Grid(grid.times, grid.instruments, {**grid.fields, "vwap": close * 0.999, "value": close * volume})


@pytest.mark.parametrize(
    ("name", "size"), [("alpha158", 158), ("alpha360", 360), ("price_volume", 41), ("calendar", 14)]
)
def test_a_set_gives_values_on_whole_bars(name: str, size: int) -> None:
    grid = bars()
    found = several(named_set(name, dict.fromkeys(BARS)), grid)
    assert len(found) == size
    # A bar may be of no length, so that its parts are shares of nothing.
    assert [feature for feature, one in found.items() if np.isnan(one[-1]).any()] == []


def test_what_a_set_looks_back() -> None:
    longest = {}
    for name in SETS:
        parsed = [parse(text, columns=None, lead=None) for text in named_set(name, dict.fromkeys(BARS)).values()]
        assert all(not one.lookahead for one in parsed)
        longest[name] = max(one.lookback.steps for one in parsed)
    assert longest == {"alpha158": 60, "alpha360": 59, "price_volume": 60, "calendar": 0}


def test_price_volume_takes_what_is_there() -> None:
    few = named_set("price_volume", ["close"])
    more = named_set("price_volume", ["close", "value"])
    assert few.keys() < more.keys() < named_set("price_volume", BARS).keys()
    assert "value" in more["size_20"]


def test_a_column_may_be_another_expression() -> None:
    columns = ["Open", "high", "low", "close", "VOLUME", "net value"]
    found = named_set("alpha158", columns, given={"vwap": "`net value` / VOLUME"})
    assert found["VWAP0"] == "(`net value` / VOLUME) / close"
    assert found["KMID"] == "(close - Open) / Open"
    assert parse(found["VSTD5"], columns=columns, lead=None).columns == ("VOLUME",)


@pytest.mark.parametrize(
    ("name", "columns", "given", "key", "says"),
    [
        ("alpha159", BARS, {}, "features[0]", "Did you mean 'alpha158'"),
        ("alpha158", ("open", "high", "low", "close", "volume"), {}, "features[0]", "vwap: value / volume"),
        ("price_volume", ("price",), {}, "features[0]", "columns: {close: adj_close}"),
        ("alpha158", BARS, {"vwpa": "value / volume"}, "features[0].columns", "Did you mean 'vwap'"),
        ("alpha158", BARS, {"vwap": 3}, "features[0].columns", "that is 3"),
    ],
)
def test_what_a_set_lacks_is_named(
    name: str, columns: list[str], given: dict[str, object], key: str, says: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        named_set(name, columns, "features[0]", given)
    assert caught.value.key == key
    assert says in str(caught.value)
