"""Every reader sees a whole set, whenever a process is killed that changes it. ``make chaos`` kills ten times more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from rollq import Settings
from rollq.scheduler.online.online_set import OnlineModel, OnlineSet
from rollq.tasks.rolling.online_options import BASE
from tests.chaos.promotions.made_rounds import fault
from tests.chaos.promotions.run import run


def test_twenty_kills_never_show_a_partial_or_a_mixed_set(settings: Settings) -> None:
    report = run(settings, seed=20_261_125, kills=20)
    assert report.wrong == ()
    assert report.kills >= 20
    assert len(report.points) >= 3, "they died at several points"
    assert report.versions >= 6
    assert report.reads > 10 * report.versions
    assert report.tool_reads > report.versions


def test_the_reader_sees_each_fault() -> None:
    whole = {BASE: [["a1", "r1"], ["a2", "r2"]], "ridge": [["b1", "s1"]]}
    models = tuple(OnlineModel(task, recorder, ("2020-01-01", None)) for task, recorder in whole[BASE])
    others = {"ridge": (OnlineModel("b1", "s1", ("2020-01-01", None)),)}
    good = _set(models, others)
    assert fault(good, whole) == ""
    assert "not exactly" in fault(replace(good, models=models[:1]), whole)
    assert "not exactly" in fault(replace(good, models=(models[0], others["ridge"][0])), whole)
    assert "not exactly" in fault(replace(good, models=(*models, models[0])), whole)
    assert "not exactly" in fault(replace(good, models=(replace(models[0], recorder_id="r9"), models[1])), whole)
    assert "variants" in fault(replace(good, challengers={}), whole)
    assert "nobody opened" in fault(good, None)


def _set(models: tuple[OnlineModel, ...], challengers: dict[str, tuple[OnlineModel, ...]]) -> OnlineSet:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    return OnlineSet("s", 1, "s", "round", now, "w", models, {}, {}, challengers=challengers)
