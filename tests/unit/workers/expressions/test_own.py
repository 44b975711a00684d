"""Functions of one's own: called by the name of their class, looked at, and their errors are the user's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from rollq.tasks.components import source
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ComponentError, TemplateError
from rollq.tasks.ingredients.called import functions_called, packages_called
from rollq.workers.expressions.expression import parse
from rollq.workers.expressions.functions.own import sources_of_own
from tests.unit.workers.expressions.grids import made_grid, values

CODE = '''
import numpy as np

import rollq


class Typical(rollq.BlockFunction):
    """The mean of high, low and close, over so many rows."""

    def lookback(self, window=3, power=1.0):
        return window - 1

    def compute(self, high, low, close, *, window: int = 3, power: float = 1.0):
        assert isinstance(window, int)
        one = (high + low + close) / 3
        gone = np.full((window, one.shape[1]), np.nan)
        return sum(np.vstack([gone[:back], one[: len(one) - back]]) for back in range(window)) / window


class Ahead(Typical):
    def compute(self, x):
        return np.vstack([x[1:], x[-1:]])


class Further(Typical):
    def compute(self, x):
        return np.cumsum(np.nan_to_num(x), axis=0)


class Broken(Typical):
    def compute(self, x):
        return x / nothing


class Flat(Typical):
    def compute(self, x):
        return x.mean(axis=1)


class NoFunction:
    pass
'''
LINE = CODE.split("nothing")[0].count("\n") + 1
NAMES = ("Typical", "Ahead", "Further", "Broken", "Flat", "NoFunction")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the user, whose classes are registered in the settings."""
    path = tmp_path / "block_functions.py"
    path.write_text(CODE)
    monkeypatch.setenv("ROLLQ_COMPONENTS", json.dumps([f"block_functions:{name}" for name in NAMES]))
    monkeypatch.syspath_prepend(str(tmp_path))
    current_settings.cache_clear()
    yield path
    current_settings.cache_clear()
    sys.modules.pop("block_functions", None)
    source._loaded.pop("block_functions", None)


def test_it_is_called_by_its_name(module: Path) -> None:
    grid = made_grid(40, 3)
    found = values("Typical(high, low, close, window=4) / close", grid)
    wanted = values("mean((high + low + close) / 3, 4) / close", grid)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    expression = parse("lag(Typical(high, low, close), 2)", columns=None, lead=None)
    assert (expression.text, str(expression.lookback)) == ("lag(Typical(high, low, close), distance=2)", "4")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Ahead(close)", "looks ahead"),
        ("Further(close)", "looks back further than 2 rows"),
        ("Broken(close)", rf"NameError.*block_functions.py, line {LINE}, in compute"),
        ("Flat(close)", r"returned \(40,\) for blocks of \(40, 3\)"),
        ("NoFunction(close)", "Make it a rollq.BlockFunction"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_place(text: str, says: str, module: Path) -> None:
    with pytest.raises(ComponentError, match=says):
        values(text, made_grid(40, 3))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Typical(high, low)", "Typical needs 'close'"),
        ("Typical(high, low, close, window=2.5)", "a whole number"),
        ("Typical(high, low, close, windw=2)", "Did you mean 'window'"),
        ("Tpical(high)", "there is no function 'Tpical'. Did you mean 'Typical'"),
        ("Zzzz(high)", "a registered rollq.BlockFunction"),
    ],
)
def test_a_wrong_call_is_refused(text: str, says: str, module: Path) -> None:
    with pytest.raises(TemplateError, match=says):
        parse(text, columns=None, lead=None)


def test_its_source_is_part_of_what_uses_it(module: Path) -> None:
    kwargs = {
        "features": ["mean(close, 5)", {"typical": "Typical(high, low, close)"}],
        "label": {"expression": "close"},
    }
    assert set(functions_called(kwargs, ["block_functions:Typical"])) == {"Typical"}
    before = sources_of_own(kwargs)
    module.write_text(CODE.replace("/ window\n", "/ window + 0\n"))
    assert before.keys() == {"Typical"}
    assert sources_of_own(kwargs) != before


def test_the_package_that_knows_holidays_counts_where_it_is_asked() -> None:
    assert packages_called({"features": ["hour", {"rest": 'holiday("DE")'}]}) == {"holidays"}
    assert sources_of_own(["holiday('DE')"]) == {"holidays": version("holidays")}
    assert sources_of_own(["hour", "mean(close, 5)"]) == {}
