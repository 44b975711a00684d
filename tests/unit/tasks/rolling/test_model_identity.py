"""The identity of a model: the same for its windows, another one for each variant."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollq import RollingGen, TemplateError, TimeAdjuster, model_identity
from rollq.tasks.rolling.model_identity import window_of

SESSIONS = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2019-01-01", periods=250)]
CALENDAR = TimeAdjuster(SESSIONS)


def template() -> dict[str, Any]:
    """With everything that rolls with a window: segments, and a handler with dates at two depths."""
    handler = {
        "class": "Handler",
        "kwargs": {
            "start_time": SESSIONS[0],
            "end_time": SESSIONS[20],
            "fit_start_time": None,
            "fit_end_time": None,
            "learn_processors": [{"class": "Scale", "kwargs": {"fit_start_time": SESSIONS[0], "fit_end_time": None}}],
        },
    }
    return {
        "model": {"class": "LGBModel", "kwargs": {"num_leaves": 31, "seed": 7}},
        "dataset": {
            "class": "PanelDataset",
            "kwargs": {
                "path": "/data/prices.parquet",
                "features": [{"op": "momentum", "windows": [5, 20]}],
                "label": {"op": "forward_return", "horizon": 5},
                "handler": handler,
                "segments": {
                    "train": (SESSIONS[0], SESSIONS[59]),
                    "valid": (SESSIONS[60], SESSIONS[79]),
                    "test": (SESSIONS[80], None),
                },
            },
        },
        "record": [{"class": "SignalRecord"}],
    }


IDENTITY = model_identity(template())


def changed(*path: Any, to: Any) -> dict[str, Any]:
    made = template()
    part: Any = made
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = to
    return made


def test_it_is_the_class_and_eight_digits() -> None:
    assert re.fullmatch("LGBModel-[0-9a-f]{8}", IDENTITY)
    assert model_identity(changed("model", "class", to="my.package:Forest")).startswith("Forest-")


@given(
    step=st.integers(5, 60),
    rtype=st.sampled_from([RollingGen.ROLL_EX, RollingGen.ROLL_SD]),
    trunc=st.none() | st.integers(1, 10),
    purge=st.integers(0, 5),
)
def test_all_windows_of_a_template_share_it(step: int, rtype: str, trunc: int | None, purge: int) -> None:
    generator = RollingGen(step, rtype, trunc_days=trunc, purge=purge, calendar=CALENDAR)
    windows = generator.generate(template())
    assert len(windows) > 1
    assert {model_identity(window) for window in windows} == {IDENTITY}
    assert len({window_of(window) for window in windows}) == len(windows)


SAME: list[Callable[[], dict[str, Any]]] = [
    lambda: {**template(), "data": {"sha256": "ab"}},
    lambda: {**template(), "record": []},
    lambda: changed("dataset", "kwargs", "fitted", to=[{"mean": [1.0]}]),
    lambda: changed("dataset", "kwargs", "cache_dir", to="/tmp/here"),
    lambda: changed("dataset", "kwargs", "data_checks", to={"accept": ["2024-01-02"]}),
    lambda: changed("dataset", "kwargs", "path", to="/elsewhere/prices.parquet"),
    lambda: changed("dataset", "kwargs", "path", to="C:\\data\\prices.parquet"),
    lambda: changed("model", "kwargs", "init_model", to="run-17"),
    lambda: changed("model", "init_model", to={"recorder": "run-17"}),
    lambda: dict(reversed(template().items())),
]


@pytest.mark.parametrize("made", SAME)
def test_what_belongs_to_a_window_or_a_machine_changes_nothing(made: Callable[[], dict[str, Any]]) -> None:
    assert model_identity(made()) == IDENTITY


VARIANTS = [
    changed("model", "kwargs", "num_leaves", to=63),
    changed("model", "kwargs", "seed", to=8),
    changed("model", "module_path", to="my.models"),
    changed("dataset", "kwargs", "features", 0, "windows", to=[5]),
    changed("dataset", "kwargs", "label", "horizon", to=10),
    changed("dataset", "kwargs", "path", to="/data/other.parquet"),
    changed("dataset", "kwargs", "universe", to=["A"]),
    changed("dataset", "kwargs", "handler", "kwargs", "learn_processors", to=[]),
    changed("dataset", "kwargs", "handler", to="handler.json"),
]


def test_variants_differ_from_it_and_from_each_other() -> None:
    assert len({IDENTITY, *map(model_identity, VARIANTS)}) == 1 + len(VARIANTS)


def test_the_definition_stays_as_it_is() -> None:
    given_one = template()
    model_identity(given_one)
    assert given_one == copy.deepcopy(template())


@pytest.mark.parametrize(
    "wrong",
    [{}, None, {"model": {"class": "M"}}, {"model": [], "dataset": {}}, {"model": {}, "dataset": {}}],
)
def test_what_is_no_task(wrong: Any) -> None:
    with pytest.raises(TemplateError) as raised:
        model_identity(wrong)
    assert raised.value.fix


def test_the_window_is_the_test_segment() -> None:
    assert window_of(template()) == (SESSIONS[80], None)
    dated = changed("dataset", "kwargs", "segments", to={"t": (pd.Timestamp(SESSIONS[1]), pd.Timestamp(SESSIONS[2]))})
    assert window_of(dated, "t") == (SESSIONS[1], SESSIONS[2])
    with pytest.raises(TemplateError, match=r"segments\.test"):
        window_of(dated)
