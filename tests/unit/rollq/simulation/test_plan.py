"""What a simulation is about: its range, its names, and what is refused before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollq.simulation.plan import Planned, plan_simulation
from rollq.simulation.runner import Request, run_simulation
from rollq.tasks.config.settings import Settings, load_settings
from rollq.tasks.errors import BadInput
from tests.acceptance.test_simulate import template


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings without servers; the features are computed once."""
    return load_settings(state_dir=tmp_path_factory.mktemp("state"))


def plan(settings: Settings, *templates: str, **options: Any) -> Planned:
    given = {"begin": None, "end": None, "name": None, **options}
    return plan_simulation([Path(path) for path in templates], settings, **given)


def segments(**changes: Any) -> dict[str, Any]:
    found = {"train": ["2021-01-04", "2022-06-30"], "test": ["2022-07-01", None], **changes}
    label = {"op": "forward_return", "horizon": 5, "start": 1}
    features = [{"op": "momentum", "windows": [5, 20]}]
    path = Path(__file__).parents[4] / "examples" / "sp500" / "prices_small.parquet"
    kwargs = {"path": str(path), "features": features, "label": label, "segments": found}
    return {"dataset": {"class": "PanelDataset", "kwargs": kwargs}}


def test_the_range_is_what_the_templates_and_the_data_say(plain: Settings, tmp_path: Path) -> None:
    open_, later = template(tmp_path, "a", **segments()), template(tmp_path, "b", online={"begin": "2022-11-05"})
    closed = template(tmp_path, "c", **segments(test=["2022-07-01", "2022-12-03"]))
    assert (plan(plain, open_).begin, plan(plain, open_).end) == ("2022-07-01", "2022-12-28")
    assert (plan(plain, open_, later).begin, plan(plain, open_, later).end) == ("2022-11-07", "2022-12-28")
    assert plan(plain, open_, closed).end == "2022-12-02"
    given = plan(plain, open_, closed, begin="2022-08-06", end="2023-06-01")  # no sessions: the next ones inside
    assert (given.begin, given.end) == ("2022-08-08", "2022-12-28")
    assert (given.sessions[0], given.sessions[-1]) == ("2022-08-08", "2022-12-28")


def test_the_same_input_has_the_same_names_and_other_input_others(plain: Settings, tmp_path: Path) -> None:
    one = template(tmp_path, "a")
    first, same = plan(plain, one), plan(plain, one)
    assert first.name == same.name == first.strategies[0].name
    assert first.name.startswith("sim.a.2022-10-31.2022-12-28.")
    assert plan(plain, one, end="2022-12-01").name != first.name
    template(tmp_path, "a", rolling={"kwargs": {"step": 11, "rtype": "sliding", "trunc_days": 7, "purge": 6}})
    assert plan(plain, one).name != first.name
    named = plan(plain, one, name="mine")
    assert (named.name, named.strategies[0].name, named.labels) == ("mine", "mine.a", ("a",))


def test_beat_never_fires_a_simulation(plain: Settings, tmp_path: Path) -> None:
    planned = plan(plain, template(tmp_path, "a", online={"begin": "2022-11-01", "at": "18:30"}))
    assert planned.strategies[0].template.online.at is None
    assert planned.begin == "2022-11-01"


def test_long_names_still_fit(plain: Settings, tmp_path: Path) -> None:
    planned = plan(plain, *(template(tmp_path, "x" * 98 + str(number)) for number in range(2)))
    assert len({planned.name, *(strategy.name for strategy in planned.strategies)}) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"begin": "soon"}, "--from"),
        ({"end": "2022-13-01"}, "--to"),
        ({"begin": "2023-01-01"}, "no session"),
        ({"begin": "2022-12-24", "end": "2022-12-25"}, "no session"),
        ({"begin": "2022-10-28"}, "--from: 2022-10-28 is before the test segment"),
        ({"name": "../escape"}, "--name"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    options: dict[str, str], said: str, plain: Settings, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=said):
        plan(plain, template(tmp_path, "a"), **options)


def test_two_templates_of_one_name_are_refused(plain: Settings, tmp_path: Path) -> None:
    path = template(tmp_path, "a")
    with pytest.raises(BadInput, match="2 templates are named 'a'"):
        plan(plain, path, path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 2, "here": True}, "exclude each other"),
        ({"workers": -1}, "--workers"),
        ({"timeout": 0.0}, "--timeout"),
        ({"report": Path()}, "--report"),
        ({}, "no template"),
    ],
)
def test_options_are_looked_at_first(options: dict[str, Any], said: str, plain: Settings) -> None:
    with pytest.raises(BadInput, match=said):
        run_simulation(plain, Request([Path("nowhere.yaml")], **options), lambda _: None, lambda *_: None)
    assert not (plain.state_dir / "mongo").exists()
