"""What a window sees of the data decides which task it is: nothing else of the data, and all of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rollq.tasks.config.settings import load_settings
from rollq.tasks.definition import Definition, segments_of
from rollq.tasks.identity import identity_of, task_key
from rollq.tasks.ingredients.seen import Seen, marked_days
from rollq.tasks.rolling.cutter import WindowCutter
from rollq.tasks.rolling.template import Template
from tests.synthetic import FEATURES, closes, long, panel

LABEL = {"op": "forward_return", "horizon": 2, "start": 1}
SEGMENTS = {
    "train": ["2020-03-02", "2020-06-30"],
    "valid": ["2020-07-01", "2020-08-31"],
    "test": ["2020-09-01", "2021-02-26"],
}
DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]


def windows(folder: Path, prices: pd.DataFrame, name: str = "prices.parquet", **kwargs: Any) -> tuple[Definition, ...]:
    """The windows of a template whose data are ``prices``, wide."""
    folder.mkdir(parents=True, exist_ok=True)
    long(prices).to_parquet(folder / name)
    given_kwargs = {"path": str(folder / name), "features": FEATURES, "label": LABEL, "segments": SEGMENTS, **kwargs}
    dataset = {"class": "PanelDataset", "kwargs": {**given_kwargs, "cache_dir": str(folder / "cache")}}
    definition = {"model": {"class": "LGBModel"}, "dataset": dataset, "record": [{"class": "SignalRecord"}]}
    rolling = {"class": "RollingGen", "kwargs": {"step": 20, "rtype": "sliding", "trunc_days": 4}}
    return WindowCutter(Template("t", definition, rolling), load_settings(state_dir=folder)).all().definitions


def keys(definitions: tuple[Definition, ...]) -> list[str]:
    return [task_key(definition) for definition in definitions]


def same(some: tuple[Definition, ...], others: tuple[Definition, ...]) -> list[bool]:
    """Which windows are the same task."""
    return [one == other for one, other in zip(keys(some), keys(others), strict=True)]


def test_a_row_after_all_windows_changes_none(tmp_path: Path) -> None:
    prices = closes(sessions=330)
    assert prices.index[-3] > pd.Timestamp(SEGMENTS["test"][1])
    before, after = windows(tmp_path / "a", prices[:-2]), windows(tmp_path / "b", prices)
    assert before[0]["data"] != after[0]["data"]  # the file is another one
    assert all(same(before, after))
    assert len(before) > 5


def test_a_row_in_the_last_test_segment_changes_the_last_window_only(tmp_path: Path) -> None:
    open_end = {**SEGMENTS, "test": [SEGMENTS["test"][0], None]}
    prices = closes(sessions=302)
    before = windows(tmp_path / "a", prices[:-1], segments=open_end)
    after = windows(tmp_path / "b", prices, segments=open_end)
    assert same(before, after) == [True] * (len(before) - 1) + [False]


def test_a_revised_close_changes_the_windows_that_see_it(tmp_path: Path) -> None:
    prices = closes(sessions=330)
    before = windows(tmp_path / "a", prices)
    revised = prices.copy()
    day = pd.Timestamp("2020-12-02")
    revised.loc[day, "S01"] *= 1.01
    after = windows(tmp_path / "b", revised)
    reach = [
        (definition["identity"]["data"]["train"]["from"], segments_of(definition)["test"][1]) for definition in before
    ]
    assert same(before, after) == [not str(start) <= "2020-12-02" <= str(end) for start, end in reach]
    assert {True, False} == set(same(before, after))


def test_the_place_of_the_file_is_no_part_of_it_but_the_universe_is(tmp_path: Path) -> None:
    prices = closes(sessions=330)
    before = windows(tmp_path / "a", prices)
    assert all(same(before, windows(tmp_path / "b", prices, "other.parquet")))
    assert not any(same(before, windows(tmp_path / "c", prices, universe=["S00", "S01"])))
    assert not any(same(before, windows(tmp_path / "d", prices, normalize="none")))


def test_an_instrument_outside_the_universe_is_not_seen(tmp_path: Path) -> None:
    prices, universe = closes(sessions=330), ["S00", "S01"]
    before = windows(tmp_path / "a", prices, universe=universe)
    more = prices.assign(S99=prices["S00"] * 2)
    more["S03"] *= 1.5
    assert all(same(before, windows(tmp_path / "b", more, universe=universe)))


def test_the_parts_of_an_identity_can_be_read(tmp_path: Path) -> None:
    (first, *_) = windows(tmp_path, closes(sessions=330))
    found = identity_of(first)
    assert found is not None
    assert set(found) == {"template", "data", "code", "libraries"}
    assert found["code"]["model"]["class"].endswith(":LGBModel")
    assert {"lightgbm", "numpy", "pandas"} <= set(found["libraries"])
    assert set(found["data"]) == {"train", "valid", "test"}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    return closes(sessions=300), tmp_path_factory.mktemp("reference")


@hypothesis_settings(max_examples=25)
@given(st.integers(0, 299), st.integers(0, 3), st.booleans())
def test_what_a_model_is_given_never_changes_under_one_hash(
    reference: tuple[pd.DataFrame, Path], position: int, column: int, gone: bool
) -> None:
    prices, folder = reference
    revised = prices.copy()
    revised.iloc[position, column] = np.nan if gone else revised.iloc[position, column] * 1.1
    given_kwargs = {"segments": SEGMENTS, "label": LABEL}
    one = panel(folder, long(prices), **given_kwargs)
    seen = [Seen([f"{day:%Y-%m-%d}" for day in one.sessions], one.session_hashes(), one.feature_lookback, 3)]
    frames = [given_to_models(one)]
    (folder / "revised").mkdir(exist_ok=True)
    other = panel(folder / "revised", long(revised).dropna(), **given_kwargs)
    seen += [Seen([f"{day:%Y-%m-%d}" for day in other.sessions], other.session_hashes(), other.feature_lookback, 3)]
    frames += [given_to_models(other)]
    for name in SEGMENTS:
        if seen[0].data(SEGMENTS)[name] == seen[1].data(SEGMENTS)[name]:
            assert frames[0][name] == frames[1][name]


def given_to_models(dataset: Any) -> dict[str, bytes]:
    """The bytes of what each segment gives to a model."""
    made = {}
    for name in SEGMENTS:
        frames = [dataset.prepare(name, columns) for columns in ("feature", "label")[: 1 if name == "test" else 2]]
        made[name] = b"".join(frame.to_numpy().tobytes() for frame in frames)
    return made


def marked(seen: Seen, name: str) -> dict[str, bytes]:
    segments = {"train": (DAYS[5], DAYS[9]), "test": (DAYS[11], DAYS[14])}
    return marked_days(seen.data(segments)[name]["from"], seen.marks(segments)[name])


def test_the_marks_tell_which_session_holds_what() -> None:
    days = [day for day in DAYS if day not in (DAYS[3], DAYS[8])]
    seen = Seen(days, dict.fromkeys(days, "h"), back=2, ahead=3)
    assert list(marked(seen, "train")) == [*DAYS[2:3], *DAYS[4:8], *DAYS[9:13]]
    assert list(marked(seen, "test")) == DAYS[9:15]
    revised = Seen(days, {**dict.fromkeys(days, "h"), DAYS[6]: "x"}, back=2, ahead=3)
    before, after = marked(seen, "train"), marked(revised, "train")
    assert [day for day in before if before[day] != after[day]] == [DAYS[6]]


@pytest.mark.parametrize("marks", [None, 3, {}, {"days": "%", "hashes": "%"}, {"days": 3, "hashes": "AAAA"}])
def test_marks_of_another_form_say_nothing(marks: Any) -> None:
    assert marked_days("2024-01-01", marks) == {}
    assert marked_days(None, {"days": "gA==", "hashes": "AAAA"}) == {}


def test_a_segment_without_a_session_has_no_marks() -> None:
    segments = {"test": ("2025-01-01", "2025-01-02")}
    seen = Seen([], {})
    assert seen.data(segments)["test"]["sessions"] == 0
    assert marked_days("2025-01-01", seen.marks(segments)["test"]) == {}
