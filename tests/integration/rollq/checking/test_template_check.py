"""rollq check: each fault of a class of one's own is named, with the line; templates that ship have none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rollq.checking.lookahead import known_until
from rollq.checking.template_check import TemplateCheck
from rollq.health.check import Check
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import BadInput
from tests.command_line import CommandLine
from tests.conftest import EXAMPLES
from tests.integration.rollq.checking import broken_parts
from tests.integration.rollq.checking.broken_parts import BROKEN, FOLDER, OWN
from tests.tables import hours
from tests.zoned import COMPONENT

STEPS = [
    "template",
    "windows",
    "build",
    "calendar",
    "rows",
    "label",
    "dataset again",
    "fit",
    "predict",
    "save and load",
]
STEPS += ["train again", "record[0]", "record[1]", "gather", "memory", "time", "future"]

FAULTS = {
    "Twice": ("rows", "3 rows twice, such as"),
    "Unsorted": ("rows", "not sorted"),
    "Unnamed": ("rows", r"index \['day', 'name'\]"),
    "OtherRows": ("rows", "other rows than the features"),
    "BeyondSegment": ("rows", "has rows on 2019-04-03, outside of"),
    "OtherCalendar": ("rows", "rows on 2019-02-05, which is none of its sessions"),
    "HoursAsSessions": ("calendar", "sessions are times, not days"),
    "Forgetful": ("dataset again", "the dataset that to_config.. describes gives other features"),
    "Infinite": ("rows", "'momentum' is infinite in"),
    "Texts": ("rows", "'sector' has the dtype"),
    "Moody": ("dataset again", "asked twice"),
    "ByWindow": ("save and load", "the last day of test, asked for alone"),
    "Clairvoyant": ("future", "change when rows after .* are scrambled.*'later'"),
    "Numbers": ("rows", "int8 as instrument, not text"),
    "NoLabel": ("rows", "no column 'label'"),
    "Crashes": ("fit", r"KeyError: 'no such feature' \(.*broken_parts.py, line \d+, in fit\)"),
    "NoCheckpoint": ("fit", "takes no checkpoint"),
    "Leaves": ("fit", r"SystemExit.*\(.*broken_parts.py, line \d+, in fit\)"),
    "Array": ("predict", r"it is a ndarray of shape"),
    "Constant": ("predict", "the same score"),
    "Holes": ("predict", "no score for 5 of 1260 rows"),
    "NaNs": ("predict", "no score for 180 of 1260 rows"),
    "OtherSegment": ("predict", "of its rows are not in the segment"),
    "Rounded": ("save and load", "loaded predicts something else"),
    "SavesNothing": ("save and load", "wrote nothing into its folder"),
    "Unseeded": ("train again", "trained again, predicts something else"),
    "RanksOfWindow": ("save and load", "the last day of test, asked for alone, is predicted otherwise"),
    "FailingRecord": ("record[1]", r"ZeroDivisionError.*broken_parts.py, line \d+, in generate"),
    "NoMetrics": ("record[1]", "generate returned a list"),
    "Unreadable": ("record[1]", "the metric 'good' is 'very'"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tracking store for all tests, because making it takes seconds; and prices of three years."""
    made = tmp_path_factory.mktemp("check")
    prices = pd.read_parquet(EXAMPLES / "prices_small.parquet")
    prices[prices["datetime"].between("2017-11-01", "2020-01-31")].to_parquet(made / "prices.parquet")
    return made


def content_of(name: str) -> dict[str, Any]:
    """The template of the example, with one part that is broken."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / "own.yaml").read_text())
    place = {"Dataset": "dataset", "Line": "model", "Record": "record"}
    if name:
        part = next(place[base.__name__] for base in getattr(broken_parts, name).__mro__ if base.__name__ in place)
        target = content["record"][1] if part == "record" else content[part]
        target["class"] = name
    return content


def check(tmp_path: Path, folder: Path, content: dict[str, Any], session: str | None = None) -> list[Check]:
    kwargs = content["dataset"]["kwargs"]
    kwargs["path"] = str(folder / Path(kwargs["path"]).name.replace("prices_small", "prices"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    settings = Settings(components=(*OWN, *BROKEN, COMPONENT), state_dir=folder / "state")
    return TemplateCheck(path, settings, folder, session).run()


def bad(found: list[Check]) -> list[Check]:
    return [one for one in found if not one.ok]


def test_the_example_has_no_fault(tmp_path: Path, folder: Path) -> None:
    found = check(tmp_path, folder, content_of(""))
    assert bad(found) == []
    assert [one.name for one in found] == STEPS


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_where_it_is(tmp_path: Path, folder: Path, name: str) -> None:
    place, said = FAULTS[name]
    found = bad(check(tmp_path, folder, content_of(name)))
    assert place in [one.name for one in found], found
    named = next(one for one in found if one.name == place)
    with pytest.raises(BadInput, match=said):
        raise BadInput(named.detail)
    assert named.fix
    assert found[0].name == place, "what is named first is the cause"


def test_hours_of_another_zone_are_sessions_of_the_dataset(tmp_path: Path, folder: Path) -> None:
    hours = pd.date_range("2024-01-01", "2024-03-31", freq="h", tz="UTC", name="when")
    load = np.random.default_rng(1).normal(100, 10, (len(hours), 2))
    frame = pd.DataFrame(load, hours, ["N1", "N2"]).melt(ignore_index=False, var_name="node", value_name="load")
    frame.reset_index().to_csv(folder / "load.csv", index=False)
    kwargs = {"path": str(folder / "load.csv"), "time": "when", "instrument": "node", "zone": "America/New_York"}
    kwargs |= {"features": ["lag(load, 24h)", "mean(load, 6)"], "label": "lead(load, 1h)"}
    kwargs["segments"] = {"train": ["2024-01-05", "2024-02-20"], "test": ["2024-02-25", "2024-03-20"]}
    model = {"class": "LGBModel", "kwargs": {"num_boost_round": 3}}
    content = {"model": model, "dataset": {"class": "TableDataset", "kwargs": kwargs}, "rolling": {}}
    found = check(tmp_path, folder, content)
    assert bad(found) == []
    assert "features stay" in found[-1].detail


def test_every_broken_part_is_tried() -> None:
    assert {one.partition(":")[2] for one in BROKEN} == set(FAULTS)


def test_a_window_is_chosen_by_a_day(tmp_path: Path, folder: Path) -> None:
    found = check(tmp_path, folder, content_of("Crashes"), "2019-08-01")
    assert "test 2019-07-03 to 2019-10-01" in next(one.detail for one in found if one.name == "build")
    with pytest.raises(BadInput, match="No window is tested on 2031-01-01") as refused:
        check(tmp_path, folder, content_of("Crashes"), "2031-01-01")
    assert "from 2019-01-02" in refused.value.fix


def test_a_template_that_cannot_be_read_is_a_finding(tmp_path: Path, folder: Path) -> None:
    content = content_of("")
    content["rolling"]["kwargs"]["trunc_days"] = 2
    (one,) = bad(check(tmp_path, folder, content))
    assert (one.name, "looks 6 sessions ahead" in one.detail) == ("windows", True)
    del content["model"]
    assert [one.name for one in check(tmp_path, folder, content)] == ["template"]


def test_each_variant_and_each_horizon_is_looked_at(tmp_path: Path, folder: Path) -> None:
    content: dict[str, Any] = yaml.safe_load((EXAMPLES / "small.yaml").read_text())
    segments = {"train": ["2018-01-02", "2018-12-31"], "test": ["2019-01-02", "2019-06-28"]}
    content["dataset"]["kwargs"]["segments"] = segments
    del content["model"]["kwargs"]["early_stopping_rounds"]
    challenger = {"name": "line", "model": {"class": "RidgeModel"}}
    found = check(tmp_path, folder, {**content, "online": {"challengers": [challenger]}})
    assert bad(found) == []
    assert {"fit", "line: fit"} <= {one.name for one in found}
    content["dataset"]["kwargs"]["label"]["horizon"] = [5, 1]
    content["dataset"]["class"], content["per"] = "ZonedDataset", "zone"
    found = check(tmp_path, folder, content)
    assert {"zone=A horizon=5: gather", "zone=A horizon=1: gather"} <= {one.name for one in found}
    assert bad(found) == []


def test_the_verb_says_what_is_wrong_and_leaves_with_1(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROLLQ_COMPONENTS", json.dumps([*OWN, *BROKEN]))
    rollq = CommandLine(monkeypatch, capsys)
    path, state = tmp_path / "mine.yaml", folder / "state"
    content = content_of("")
    content["dataset"]["kwargs"]["path"] = str(folder / "prices.parquet")
    path.write_text(yaml.safe_dump(content))
    answer = rollq("--state-dir", state, "check", path, "--json")
    assert (answer.code, answer.json["ok"], len(answer.json["checks"])) == (0, True, len(STEPS))
    path.write_text(yaml.safe_dump({**content, "model": {"class": "NoCheckpoint"}}))
    shown = rollq("--state-dir", state, "check", path)
    assert shown.code == 1
    assert "FAIL fit" in shown.out
    assert "Fix: Write def fit(self" in shown.out
    assert rollq("check", path, "--session", "soon").code == 2


def test_what_is_known_in_advance_is_no_leak(tmp_path: Path, folder: Path) -> None:
    hours(60).to_parquet(tmp_path / "load.parquet")
    kwargs = {
        "path": "load.parquet",
        "known_ahead": {"temperature": "24h"},
        "features": ["load", "lag(load, 6d)", "lead(temperature, 24h)"],
        "label": "lead(load, 24h)",
        "segments": {"train": ["2021-01-12", "2021-02-10"], "test": ["2021-02-12", None]},
    }
    model = {"class": "LGBModel", "kwargs": {"loss": "mse", "num_boost_round": 5}}
    content = {
        "model": model,
        "dataset": {"class": "TableDataset", "kwargs": kwargs},
        "rolling": {"kwargs": {"step": 7}},
    }
    (tmp_path / "load.yaml").write_text(yaml.safe_dump(content))
    found = TemplateCheck(tmp_path / "load.yaml", Settings(state_dir=folder / "state"), folder, None).run()
    assert bad(found) == []
    assert "features stay" in next(one.detail for one in found if one.name == "future")


def test_until_when_a_column_is_known() -> None:
    days = pd.DatetimeIndex(["2024-01-05", "2024-01-05", "2024-01-08", "2024-01-10", "2024-01-12"])
    known = known_until({"a": 2, "b": "24h", "c": "25h", "d": "1w", "e": 9, "f": 0}, days, pd.Timestamp("2024-01-05"))
    assert {name: f"{day:%d}" for name, day in known.items()} == {
        "a": "10",
        "b": "06",
        "c": "07",
        "d": "12",
        "e": "12",
        "f": "05",
    }
    assert known_until(None, days, days[0]) == {}
