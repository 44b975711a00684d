"""Challengers: trained beside the champion, compared with it, promoted by hand or by rule, and rolled back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rollq import Backend, NotFound, OnlineManager, StateError
from rollq.scheduler.champions import promotion as champions
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.mlflow_sync import sync
from rollq.scheduler.online.predictions import Predictions
from rollq.scheduler.online.tool import OnlineTool
from rollq.scheduler.signals.ledger import SignalLedger
from tests.online_strategies import (
    DAYS,
    LIVED,
    RIDGE,
    TEST,
    closes,
    manager,
    sha256_of,
    template,
    with_components,
    write_prices,
)

LINE = {"name": "line", "model": RIDGE}
RULE: dict[str, Any] = {"metric": "rank_ic", "sessions": 6, "confidence": 0.5}


def online_tags(backend: Backend, name: str) -> set[str]:
    """The recorders that MLflow shows as online."""
    tool = OnlineTool(backend, name)
    experiment = tool._experiment
    return {one.id for one in experiment.iter_recorders(f"tags.`{tool.ONLINE_KEY}` = '{tool.ONLINE_TAG}'")}


def test_by_hand_there_and_back(backend: Backend, tmp_path: Path) -> None:
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), "by hand", challengers=[LINE]))
    sets, strategy = OnlineSets(backend.store), made.strategies[0]
    made.routine(LIVED[2], timeout=60)
    first = sets.current("by hand")
    assert [(model.test, len(first.models)) for model in first.models] == [
        (model.test, len(first.challengers["line"])) for model in first.challengers["line"]
    ]  # trained in the same round
    (line,) = first.challengers["line"][-1:]
    predicted = Predictions(backend).read("by hand", line)
    assert list(predicted.days)[-1] == LIVED[2]  # predicted every session, without serving
    found = champions.compare_variants(backend, strategy, "line")
    assert (found.champion, found.challenger) == ("base", "line")
    assert found.end == LIVED[2]  # the file ends later, so the label of this session is known
    assert found.sessions == len(DAYS[45:55])
    blind = champions.compare_variants(backend, strategy, "line", end=LIVED[2])
    assert (blind.end, blind.sessions) == (LIVED[0], found.sessions - 2)  # a label looks two sessions ahead

    before = made.get_signals("by hand")
    promoted = champions.promote(backend, "by hand", "line", "me")
    assert (promoted.champion, promoted.version, promoted.why) == ("line", 2, "promotion of line")
    assert promoted.challengers == {"base": first.models}
    assert online_tags(backend, "by hand") == {model.recorder_id for model in promoted.models}
    with pytest.raises(StateError, match="is the champion"):
        champions.promote(backend, "by hand", "line", "me")
    with pytest.raises(NotFound, match="no challenger"):
        champions.promote(backend, "by hand", "nobody", "me")
    made.routine(LIVED[4], timeout=60)  # a new window begins: the champion is still the line
    newest = sets.current("by hand")
    assert (newest.version, newest.champion, set(newest.challengers)) == (3, "line", {"base"})
    pd.testing.assert_frame_equal(made.get_signals("by hand").loc[: LIVED[2]], before)  # what was published stays
    scores = made.get_signals("by hand").loc[LIVED[3] :, "score"]
    (model,) = newest.models
    expected = Predictions(backend).read("by hand", model).pred["score"]
    pd.testing.assert_series_equal(scores, expected, check_index_type=False)

    back = champions.rollback(backend, "by hand", "me", to=1)
    assert (back.version, back.champion, back.models, back.copy_of) == (4, "base", first.models, 1)
    assert online_tags(backend, "by hand") == {model.recorder_id for model in first.models}
    made.routine(LIVED[5], timeout=60)
    assert SignalLedger(backend).entries("by hand")[-1].versions == (4,)
    made.routine(LIVED[9], timeout=60)  # the next window begins: with the champion that serves now
    assert sets.current("by hand").champion == "base"


def test_a_challenger_that_cannot_be_trained_hurts_nobody(backend: Backend, tmp_path: Path) -> None:
    backend, cause = with_components(backend), tmp_path / "cause"
    broken = {"name": "broken", "model": {"class": "BrokenModel", "kwargs": {"while_there": str(cause)}}}
    path = write_prices(tmp_path / "prices.parquet")
    alone, beside = (
        manager(backend, template(path, "alone")),
        manager(backend, template(path, "beside", challengers=[broken])),
    )
    cause.touch()
    for made in (alone, beside):
        made.routine(LIVED[1], timeout=60)
    assert OnlineSets(backend.store).current("beside").challengers == {}
    with pytest.raises(NotFound):
        champions.compare_variants(backend, beside.strategies[0], "broken")
    cause.unlink()
    for made in (alone, beside):
        made.routine(LIVED[4], timeout=60)
    assert list(OnlineSets(backend.store).current("beside").challengers) == ["broken"]  # it is back
    assert sha256_of(alone.get_signals("alone"), tmp_path) == sha256_of(beside.get_signals("beside"), tmp_path)


def by_rule(backend: Backend, folder: Path, name: str, prices: pd.DataFrame) -> OnlineManager:
    """A weak champion and a strong challenger, with a rule; their first window begins on the first session."""
    path = write_prices(folder / f"{name}.parquet", prices)
    return manager(backend, template(path, name, WEAK, challengers=[LINE], begin=TEST, promote=RULE))


def promotions(backend: Backend, name: str) -> list[tuple[str, str, str]]:
    history = OnlineSets(backend.store).history(name)
    return [(one.session, one.champion, one.why) for one in history if one.why.startswith("rule")]


def with_trend() -> pd.DataFrame:
    """Prices whose momentum lasts: the line learns it, trees of a constant cannot."""
    chance, wide = (
        np.random.default_rng(5),
        closes().pivot_table(index="datetime", columns="instrument", values="close"),
    )
    drift = np.repeat(chance.permuted(np.tile(np.linspace(-0.02, 0.02, 6), (4, 1)), axis=1), 26, axis=0)
    steps = drift[: len(wide)] + chance.normal(0, 0.004, wide.shape)
    wide.loc[:, :] = 50 * np.exp(steps.cumsum(axis=0))
    return wide.stack().rename("close").reset_index()


WEAK = {"class": "LGBModel", "kwargs": {"num_boost_round": 1, "num_leaves": 2, "min_data_in_leaf": 90}}


def test_a_rule_promotes_and_looks_at_no_label_that_was_not_known(backend: Backend, tmp_path: Path) -> None:
    prices = with_trend()
    by_rule(backend, tmp_path, "rule", prices).simulate(LIVED[-1], timeout=60)
    first = promotions(backend, "rule")[0]
    session, champion, _ = first
    assert champion == "line"
    assert session >= DAYS[45 + RULE["sessions"] + 1]  # so many sessions, and the two that the last label looks ahead
    by_rule(backend, tmp_path, "rule lived", prices).routine(session, timeout=60)
    assert promotions(backend, "rule lived") == [first]
    scrambled = prices.copy()
    later = scrambled["datetime"] > session
    scrambled.loc[later, "close"] *= np.random.default_rng(1).uniform(0.7, 1.4, later.sum())
    by_rule(backend, tmp_path, "rule scrambled", scrambled).simulate(session, timeout=60)
    assert promotions(backend, "rule scrambled") == [first]


def test_a_rule_may_name_what_an_own_record_measures(backend: Backend, tmp_path: Path, caplog: Any) -> None:
    backend = with_components(backend)
    records = [{"class": "SignalRecord"}, {"class": "ProfitRecord", "module_path": "tests.online_strategies"}]
    path = write_prices(tmp_path / "prices.parquet", with_trend())
    for metric, promoted in (("profit", True), ("MAE", False)):
        name = f"by {metric}"
        rule = {**RULE, "metric": metric}
        made = template(path, name, WEAK, record=records, challengers=[LINE], begin=TEST, promote=rule)
        manager(backend, made).simulate(LIVED[0], timeout=60)
        found = promotions(backend, name)
        assert bool(found) is promoted
        if found:
            assert found[0][1:] == ("line", found[0][2])
            assert found[0][2].startswith("rule: profit of line was better by 0.")
    assert "MAE of line cannot be compared by session (no record measures it)" in caplog.text


def test_tags_show_what_serves_when_a_sync_comes_late(backend: Backend, tmp_path: Path) -> None:
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), "tags", challengers=[LINE]))
    made.first_train(timeout=60)
    sets = OnlineSets(backend.store)
    first = sets.current("tags")
    sets.promote("tags", "one who dies before MLflow shows it", "line")
    third = champions.rollback(backend, "tags", "me")
    assert online_tags(backend, "tags") == {model.recorder_id for model in first.models}
    second = champions.promote(backend, "tags", "line", "me")
    for late in (first, third):  # a coordinator that was slow
        sync(backend, late)
        assert online_tags(backend, "tags") == {model.recorder_id for model in second.models}
