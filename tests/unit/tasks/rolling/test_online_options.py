"""The section ``online`` of a template: what it takes, what it refuses, and that it survives the store."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollq import RollqError, TemplateError
from rollq.tasks.rolling.online_options import OnlineOptions, PromotionRule

FULL: dict[str, Any] = {
    "begin": date(2015, 1, 2),
    "refit_every": 20,
    "warm_start": True,
    "at": "18:30",
    "timezone": "America/New_York",
    "challengers": [{"name": "ridge", "model": {"class": "RidgeModel"}}],
    "promote": {"metric": "ic", "sessions": 60, "confidence": 0.9},
}


def test_it_is_read_and_written() -> None:
    made = OnlineOptions.of(FULL)
    assert (made.begin, made.refit_every, made.warm_start, made.at) == ("2015-01-02", 20, True, "18:30")
    assert made.challengers[0].parts == {"model": {"class": "RidgeModel"}}
    assert made.promote == PromotionRule("ic", 60, 0.9)
    assert OnlineOptions.of(made.to_dict()) == made
    assert OnlineOptions.of({}) == OnlineOptions.of(None) == OnlineOptions.of(OnlineOptions().to_dict())
    assert OnlineOptions().promote is None  # nothing is promoted by default


@pytest.mark.parametrize(("given", "meant"), [("9:05", "09:05"), ("18:30", "18:30"), ("00:00", "00:00")])
def test_times_of_day(given: Any, meant: str) -> None:
    assert OnlineOptions.of({"at": given}).at == meant


@pytest.mark.parametrize(
    "wrong",
    [
        {"begins": "2015-01-02"},
        {"begin": "tomorrow"},
        {"begin": 20150102.0},
        {"refit_every": 0},
        {"refit_every": True},
        {"refit_every": 2.0},
        {"warm_start": "yes"},
        {"at": "24:00"},
        {"at": 1440},
        {"at": -5},
        {"at": 7.5},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"timezone": 3},
        {"timezone": ""},
        {"challengers": "ridge"},
        {"challengers": ["ridge"]},
        {"challengers": [{"name": "base", "model": {}}]},
        {"challengers": [{"name": "a", "model": {}}, {"name": "a", "model": {}}]},
        {"challengers": [{"name": "a"}]},
        {"challengers": [{"name": "a.b", "model": {}}]},
        {"challengers": [{"model": {}}]},
        {"challengers": [{"name": "a", "rolling": {}}]},
        {"promote": True},
        {"promote": {"metric": ["ic"]}},
        {"promote": {"sessions": 0}},
        {"promote": {"sessions": None}},
        {"promote": {"confidence": 1}},
        {"promote": {"confidence": 0.4}},
        {"promote": {"confidence": "high"}},
        {"promote": {"beta": 1}},
        [],
        "on",
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_named(wrong: Any) -> None:
    with pytest.raises(TemplateError) as caught:
        OnlineOptions.of(wrong)
    assert "online" in str(caught.value)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.datetimes()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "model", "dataset", "metric", "sessions", "confidence"]), inner),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*FULL, "other"]), values))
def test_whatever_is_given_it_is_refused_or_survives_the_store(section: dict[str, Any]) -> None:
    try:
        made = OnlineOptions.of(section)
    except RollqError:
        return
    assert OnlineOptions.of(made.to_dict()) == made
    assert made.begin is None or not isinstance(made.begin, datetime | date)


@pytest.mark.parametrize("metric", ["ic", "Rank IC", "MAE", "NDCG@5", "profit"])
def test_a_rule_may_name_what_a_record_declares(metric: str) -> None:
    PromotionRule(metric).check({"MAE": "lower", "NDCG": "higher", "profit": "higher"})


@pytest.mark.parametrize(
    ("metric", "help_"), [("mae", "Did you mean 'MAE'"), ("return", "Known: "), ("MAE (sector=a)", "MAE")]
)
def test_a_rule_on_what_nobody_measures_is_refused(metric: str, help_: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(repr(metric))) as caught:
        PromotionRule(metric).check({"MAE": "lower"})
    assert caught.value.key == "online.promote.metric"
    assert help_ in caught.value.fix
