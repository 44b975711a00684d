"""What init writes works as it stands, whatever the file; and so does what the page about own data says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from rollq.cli.main import app
from rollq.drafts.recipe import quoted
from rollq.tasks.errors import DataError, StateError
from tests.tables import bars, hours, months
from tests.unit.rollq.drafts.first_window import first_window
from tests.unit.rollq.drafts.own_data import FILES, make_folder

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "bring-your-own-data.md"
TEMPLATES = {yaml.safe_load(text)["name"]: text for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)}


def init(file: Path, *more: str) -> str:
    """What the verb prints; the template is beside the file."""
    result = CliRunner().invoke(app, ["init", str(file), *more], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("name", FILES)
def test_the_templates_of_the_page_work(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path)
    (tmp_path / f"{name}.yaml").write_text(TEMPLATES[name])
    dataset, score = first_window(tmp_path / f"{name}.yaml")
    assert score.nunique() > 1
    assert not dataset.prepare("train").isna().all().any()


def test_every_template_of_the_page_is_tried() -> None:
    assert set(TEMPLATES) == set(FILES)


def csv(frame: pd.DataFrame) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        frame.to_csv(folder / "table.csv", index=False)
        return folder / "table.csv"

    return make


def parquet(frame: pd.DataFrame) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        frame.to_parquet(folder / "table.parquet")
        return folder / "table.parquet"

    return make


def folder_of_bars(folder: Path) -> Path:
    make_folder(folder)
    return folder / "bars"


def odd_names() -> pd.DataFrame:
    frame = hours(60)[["time", "zone", "load", "temperature"]]
    frame["null"], frame["x: y #"] = frame["load"] * 2, frame["load"] * 3
    frame["hour"], frame["2nd `x`"] = 1.0, frame["load"] + 1
    return frame.rename(columns={"load": "max"}).assign(time=lambda rows: rows["time"].dt.tz_convert("UTC"))


def epochs() -> pd.DataFrame:
    close = np.exp(np.random.default_rng(1).normal(0, 0.01, 24 * 60).cumsum())
    seconds = pd.date_range("2023-01-01", periods=len(close), freq="h").as_unit("s").asi8
    return pd.DataFrame({"ts": seconds, "symbol": "BTC", "close": close, "volume": close * 2})


def demand() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = [(day, f"p{p}", rng.poisson(1)) for day in pd.date_range("2021-01-01", periods=200) for p in range(6)]
    return pd.DataFrame(rows, columns=["day", "product", "units sold"]).assign(on_promo=rng.integers(0, 2, len(rows)))


def stores() -> pd.DataFrame:
    rng, days = np.random.default_rng(6), pd.date_range("2020-01-01", periods=120)
    rows = [(day, store, item, rng.poisson(2)) for day in days for store in (1, 2) for item in ("x", "y", "z")]
    return pd.DataFrame(rows, columns=["date", "store", "item", "sales"])


def dates_and_hours() -> pd.DataFrame:
    frame = hours(40, ("a",))
    local = frame["time"].dt.tz_localize(None)
    return pd.DataFrame({"date": local.dt.strftime("%Y-%m-%d"), "hour": local.dt.hour, "load": frame["load"]})


def weeks() -> pd.DataFrame:
    days = pd.date_range("2018-01-01", periods=160, freq="7D").isocalendar()
    return pd.DataFrame(
        {"week": [f"{y}-W{w:02}" for y, w in zip(days["year"], days["week"], strict=True)], "visits": days["week"]}
    )


def many_factors() -> pd.DataFrame:
    rng, frame = np.random.default_rng(5), bars(150)
    more = {f"f{number}": rng.normal(size=len(frame)) for number in range(1, 46)}
    return pd.concat([frame, pd.DataFrame(more)], axis=1).assign(
        in_index=frame["volume"] > 100, market_cap=frame["close"]
    )


KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "bars": (parquet(bars()), "lead(close, 6) / lead(close, 1) - 1"),
    "closes": (csv(bars()[["date", "symbol", "close"]]), "lead(close, 6)"),
    "wide": (parquet(bars().pivot(index="date", columns="symbol", values="close")), "wide: close"),
    "long bars": (parquet(bars(800, 3)), "- price_volume"),
    "alpha158": (parquet(bars(800, 3).assign(vwap=lambda rows: rows["close"])), "- alpha158"),
    "factors": (parquet(many_factors()), "- f*"),
    "folder": (folder_of_bars, "price"),
    "epochs": (csv(epochs()), "unit: s"),
    "hours": (parquet(hours(60)), "lead(load, 24h)"),
    "local hours": (csv(hours(100).assign(time=lambda rows: rows["time"].dt.tz_localize(None))), "zone: Europe/Berlin"),
    "odd names": (parquet(odd_names()), "`max`"),
    "months": (csv(months()), "lead(sales, 1)"),
    "weeks": (csv(weeks()), "lead(visits, 4)"),
    "demand": (csv(demand()), "kind: count"),
    "stores": (csv(stores()), "categorical: [item, store]"),
    "dates and hours": (csv(dates_and_hours()), "time: [date, hour]"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_template_of_any_file_works(kind: str, tmp_path: Path) -> None:
    make, part = KINDS[kind]
    file = make(tmp_path)
    output = init(file)
    template = file.parent / f"{file.stem}.yaml"
    assert f"Wrote {template}" in output
    assert part in template.read_text() or part == "price"
    assert "trunc_days" not in template.read_text()
    dataset, score = first_window(template)
    assert score.nunique() > 1
    assert dataset.feature_lookback >= 1


def test_a_template_is_not_replaced_unless_it_is_meant(tmp_path: Path) -> None:
    months().to_csv(tmp_path / "sales.csv", index=False)
    init(tmp_path / "sales.csv")
    with pytest.raises(StateError, match="there already"):
        init(tmp_path / "sales.csv")
    init(tmp_path / "sales.csv", "--force")
    out = tmp_path / "else" / "where.yaml"
    found = json.loads(init(tmp_path / "sales.csv", "--out", str(out), "--json"))
    assert (found["frequency"], found["template"], found["instruments"][0]["rows"]) == ("monthly", str(out), 120)
    assert "path: ../sales.csv" in out.read_text()
    first_window(out)


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (months(12), r"There are 12 sessions only\. Give a longer history"),
        (pd.DataFrame({"date": ["2024-01-01", "2024-01-02"], "text": ["a", "b"]}), "no column of numbers"),
        (months().assign(sales=1.0), "No column of numbers in .* varies"),
    ],
)
def test_a_file_with_nothing_to_learn_is_refused(tmp_path: Path, frame: pd.DataFrame, error: str) -> None:
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=error):
        init(tmp_path / "a.csv")
    assert not (tmp_path / "a.yaml").exists()


def test_columns_are_quoted_where_they_could_be_read_as_something_else() -> None:
    assert [quoted(name) for name in ("close", "units sold", "max", "hour", "7d")] == [
        "close",
        "`units sold`",
        "`max`",
        "`hour`",
        "`7d`",
    ]
