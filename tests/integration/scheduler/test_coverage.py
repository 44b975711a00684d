"""The coverage contract of the routine: every instrument-day once, or nothing is published, unless gaps are allowed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollq import Backend, CoverageError, RoundFailed
from rollq.scheduler.routine.ledger import Routines, RoutineState
from rollq.scheduler.routine.step_results import Step
from rollq.scheduler.signals.ledger import SignalLedger
from tests.online_strategies import BEGIN, DAYS, LIVED, closes, manager, template, with_components, write_prices

INSTRUMENT = sorted(closes()["instrument"].unique())[0]


@pytest.mark.parametrize(
    ("how", "hole"),
    [("instrument", DAYS[47]), ("day", BEGIN), ("nan", LIVED[1]), ("day", LIVED[1]), ("instrument", LIVED[3])],
    ids=["before the first session", "first session", "plain session", "whole session", "new window"],
)
def test_holes_are_named_and_nothing_is_published_unless_it_is_allowed(
    backend: Backend, tmp_path: Path, how: str, hole: str
) -> None:
    backend, holes, name = with_components(backend), tmp_path / "holes.json", f"{how} {hole}"
    holes.write_text(json.dumps({hole: how}))
    model = {"class": "HoleyModel", "kwargs": {"holes": str(holes)}}
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), name, model))
    ledger = SignalLedger(backend)
    shown = f"{hole} {INSTRUMENT}"
    with pytest.raises((RoundFailed, CoverageError), match=shown):
        made.routine(LIVED[3], timeout=60)
    failed = Routines(backend).history(name)[-1]
    assert (failed.status, failed.next_step) == (RoutineState.FAILED, Step.PUBLISH)
    assert shown in failed.reason
    assert max((entry.days[-1] for entry in ledger.entries(name)), default="") < max(hole, BEGIN)
    made.routine(LIVED[3], timeout=60, allow_gaps=True)
    entries = ledger.entries(name)
    gaps = [gap for entry in entries for gap in entry.gaps]
    assert len(gaps) == (6 if how == "day" else 1)
    assert shown in gaps
    signals = made.get_signals(name)
    assert len(signals) == len(DAYS[45:56]) * 6 - len(gaps)
    assert signals["score"].notna().all()
    assert [entry.session for entry in entries] == LIVED[:4]
    made.routine(LIVED[4], timeout=60)  # the next session goes on as if nothing had been
    assert ledger.entries(name)[-1].gaps == ()
