"""The examples that ship with rollq: they can be cut, and what their pages say of the data is so."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from rollq import Model, RollingGen, TimeAdjuster
from rollq.demo import TEMPLATE, example
from rollq.tasks.components.dataset import Finding
from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.workers.datasets.prices import read_prices
from rollq.workers.datasets.session_checks import find
from tests.conftest import TESTS

EXAMPLES = TESTS.parent / "examples"
TEMPLATES = sorted(EXAMPLES.glob("*/*.yaml"))
PSE = EXAMPLES / "pse" / "prices.parquet"
WINDOWS = {"pse": 55, "sp500": 9, "online": 49, "own_model": 9, "own_classes": 4, "retail": 21, "electricity": 14}
WINDOWS_OF = {"pse/alpha158": 19}
TIMES = {"datetime", "time"}


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
    prices = prices_of(path, content)
    (name,) = TIMES & set(pq.ParquetFile(prices).schema_arrow.names)
    days = session_days(pd.DatetimeIndex(pd.read_parquet(prices, columns=[name])[name].unique()))
    generator = RollingGen(**content["rolling"]["kwargs"], calendar=TimeAdjuster(days.unique()))
    segments = {"dataset": {"kwargs": {"segments": content["dataset"]["kwargs"]["segments"]}}}
    name = f"{path.parent.name}/{path.stem}"
    assert len(generator.generate(segments)) == WINDOWS_OF.get(name, WINDOWS[path.parent.name])


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
        if (prices.parent / "make_data.py").exists():
            continue  # made by that, and by nobody else
        (licence,) = prices.parent.glob("LICENSE.*")
        assert "Source: " in page
        assert f"({licence.name})" in page
        assert "Copyright (c)" in licence.read_text()


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


def test_the_load_is_made_by_its_file(tmp_path: Path) -> None:
    """The same seed, the same bytes: what the page says of the data can be looked up."""
    folder = EXAMPLES / "electricity"
    (tmp_path / "make_data.py").write_text((folder / "make_data.py").read_text())
    runpy.run_path(str(tmp_path / "make_data.py"), run_name="__main__")
    for name in ("load.parquet", "weather.parquet"):
        made, kept = (pd.read_parquet(where / name) for where in (tmp_path, folder))
        pd.testing.assert_frame_equal(made, kept)
