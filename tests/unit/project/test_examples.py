"""The examples that ship with rollq: they can be cut, and what their pages say of the data is so."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from rollq import Model, RollingGen, TimeAdjuster
from rollq.demo import TEMPLATE, example
from rollq.tasks.components.dataset import Finding
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.workers.datasets.prices import read_prices
from rollq.workers.datasets.session_checks import find
from tests.conftest import TESTS

EXAMPLES = TESTS.parent / "examples"
TEMPLATES = sorted(EXAMPLES.glob("*/*.yaml"))
PSE = EXAMPLES / "pse" / "prices.parquet"
WINDOWS = {"pse": 55, "sp500": 9, "online": 49, "own_model": 9, "own_classes": 4}


def prices_of(template: Path, content: dict[str, Any]) -> Path:
    found = (template.parent / content["dataset"]["kwargs"]["path"]).resolve()
    assert found.is_relative_to(EXAMPLES), "an example brings its prices"
    return found


@pytest.fixture(scope="module")
def odd() -> list[Finding]:
    """What is odd about the prices of the main example."""
    return find(read_prices(PSE), DataChecks())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_template_has_the_windows_that_its_page_says(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    sessions = pd.read_parquet(prices_of(path, content), columns=["datetime"])["datetime"].drop_duplicates()
    generator = RollingGen(**content["rolling"]["kwargs"], calendar=TimeAdjuster(sessions))
    segments = {"dataset": {"kwargs": {"segments": content["dataset"]["kwargs"]["segments"]}}}
    assert len(generator.generate(segments)) == WINDOWS[path.parent.name]


def test_the_demo_trains_the_main_example() -> None:
    assert example(TEMPLATE) == EXAMPLES / "pse" / "lightgbm.yaml"


def test_the_main_example_keeps_whole_bars() -> None:
    file = pq.ParquetFile(PSE)
    assert file.schema_arrow.names == ["datetime", "instrument", "open", "high", "low", "close", "value"]
    assert file.metadata.num_rows == 538_408
    assert pd.read_parquet(PSE, columns=["instrument"])["instrument"].nunique() == 257


def test_its_page_says_what_is_odd_about_it(odd: list[Finding]) -> None:
    assert {one.session: one.check for one in odd if one.left_out} == {"2020-11-23": "price", "2021-01-14": "price"}
    assert {one.check for one in odd} == {"price", "jump", "bar"}, "thin trading alone is not odd"
    page = (EXAMPLES / "pse" / "README.md").read_text()
    shown = [one for one in odd if f" {one.session} | {one.check:5} | {one.what}" in page]
    assert len(shown) == 6
    assert f"{sum(not one.left_out for one in odd)} findings are only named" in page


def test_all_data_name_their_source_and_licence() -> None:
    for prices in EXAMPLES.glob("*/*.parquet"):
        page = (prices.parent / "README.md").read_text()
        assert prices.name in page
        assert "Source: " in page
        assert "(LICENSE.prices)" in page
        assert "Copyright (c)" in (prices.parent / "LICENSE.prices").read_text()


def test_the_own_model_is_short_and_complete() -> None:
    """PyTorch is no part of the tests: the file is read, not run."""
    text = (EXAMPLES / "own_model" / "perceptron.py").read_text()
    assert len(text.splitlines()) <= 60
    (made,) = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    methods = {
        node.name: [arg.arg for arg in node.args.args] for node in made.body if isinstance(node, ast.FunctionDef)
    }
    assert methods.keys() >= Model.__abstractmethods__
    assert methods["predict"] == ["self", "dataset", "segment"]
    assert "weights_only=True" in text
    template = yaml.safe_load((EXAMPLES / "own_model" / "perceptron.yaml").read_text())
    assert (template["model"]["class"], template["queue"]) == (made.name, "gpu")
