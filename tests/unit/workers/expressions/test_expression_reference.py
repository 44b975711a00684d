"""The page of expressions is what its generator writes, and what it says by hand is true."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from docs.expressions.__main__ import main
from docs.expressions.page import HEAD, PAGE, call_of, page, reach_of
from rollq.tasks.config.settings import current_settings
from rollq.workers.expressions.expression import LABEL, parse
from rollq.workers.expressions.functions.catalog import FUNCTIONS
from tests.unit.workers.expressions.grids import made_grid, values


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m docs.expressions"


def test_the_command_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PAGE.read_text(encoding="utf-8")
    main()
    assert PAGE.read_text(encoding="utf-8") == before


def test_every_function_is_there_and_says_what_it_gives() -> None:
    text = page()
    for name, function in FUNCTIONS.items():
        assert f"`{call_of(function)}`" in text
        assert function.formula, name
        assert function.topic, name


def test_expressions_of_the_page_can_be_read() -> None:
    (block,) = re.findall(r"```\n(.*?)```", HEAD.read_text(), flags=re.DOTALL)
    for line in block.strip().splitlines():
        assert parse(line, columns=None, lead=LABEL).text


def test_how_far_functions_look() -> None:
    found = {name: reach_of(FUNCTIONS[name]) for name in ("mean", "lag", "lead", "volatility", "rank", "momentum")}
    assert found == {
        **{"mean": "window - 1", "lag": "distance", "lead": "ahead: distance"},
        **{"volatility": "window", "rank": "0", "momentum": "window"},
    }


def test_the_function_of_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", HEAD.read_text(), flags=re.DOTALL)
    (tmp_path / "page_of_functions.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ROLLQ_COMPONENTS", '["page_of_functions:Drawdown"]')
    current_settings.cache_clear()
    grid = made_grid(90)
    np.testing.assert_array_equal(
        values("Drawdown(close, window=60)", grid), values("close / max(close, 60) - 1", grid)
    )
    current_settings.cache_clear()
