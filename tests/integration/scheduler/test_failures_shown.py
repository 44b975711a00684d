"""What has failed is seen on every page and in every list; and what the verbs say afterwards leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollq import Backend, OnlineManager, RoundFailed, TrainerR
from rollq.enqueueing import enqueue_plan
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.signals.ledger import SignalLedger
from tests.command_line import CommandLine
from tests.online_strategies import LIVED, manager, template, with_components, write_prices

RIDGES = [
    {"name": f"ridge{alpha}", "model": {"class": "RidgeModel", "kwargs": {"alpha": float(alpha)}}} for alpha in (1, 9)
]
COMPONENTS = '["tests.online_strategies:BrokenModel"]'


@pytest.fixture
def rollq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: Backend) -> CommandLine:
    monkeypatch.setenv("ROLLQ_COMPONENTS", COMPONENTS)
    return CommandLine(monkeypatch, capsys, with_components(backend).settings)


def broken(cause: Path) -> dict[str, object]:
    return {"class": "BrokenModel", "kwargs": {"while_there": str(cause)}}


def test_a_failed_challenger_is_seen_everywhere_until_it_takes_part_again(
    backend: Backend, tmp_path: Path, rollq: CommandLine
) -> None:
    backend, cause = with_components(backend), tmp_path / "cause"
    cause.touch()
    challengers = [{"name": "shaky", "model": broken(cause)}]
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), "shown", challengers=challengers))
    made.routine(LIVED[0], timeout=60)
    for verb in (
        ("online", "show"),
        ("online", "list"),
        ("routine", "run", "--session", LIVED[0], "--here"),
        ("status",),
    ):
        told = rollq(*verb)
        assert (verb, told.code, "challenger shaky failed" in told.out) == (verb, 0, True)
    assert "tasks FAILED" in rollq("routine", "list").out
    (listed,) = rollq("online", "list", "--json").json
    assert "made to fail" in listed["failures"][0]["reason"]
    (check,) = (one for one in rollq("doctor", "--json").json if one["name"] == "failures")
    assert (check["ok"], "shaky" in check["detail"]) == (False, True)
    cause.unlink()
    made.routine(LIVED[4], timeout=60)  # the next window
    assert rollq("status", "--json").json["failures"] == []


def test_a_failed_routine_is_seen_everywhere(backend: Backend, tmp_path: Path, rollq: CommandLine) -> None:
    backend, cause = with_components(backend), tmp_path / "cause"
    cause.touch()
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), "sad", broken(cause)))
    with pytest.raises(RoundFailed):
        made.routine(LIVED[0], timeout=60)
    assert "the routine for" in rollq("online", "list").out
    shown = rollq("online", "show", "sad")
    assert (shown.code, "made to fail" in shown.err) == (5, True)
    assert "the routine for" in rollq("status").out
    assert "made to fail" in rollq("routine", "list").out
    assert "made to fail" in rollq("routine", "run", "--here").err
    assert any("sad" in one["detail"] for one in rollq("doctor", "--json").json if not one["ok"])


def test_a_round_that_failed_is_seen_and_research_that_failed_is_no_alarm(
    backend: Backend, tmp_path: Path, rollq: CommandLine
) -> None:
    backend, cause = with_components(backend), tmp_path / "cause"
    cause.touch()
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), "round", broken(cause)))
    trained = enqueue_plan(made.strategies[0].plan(), backend)
    with pytest.raises(RoundFailed):
        TrainerR("round", backend=backend).wait(trained, timeout=60)
    (failure,) = rollq("status", "--json").json["failures"]
    assert failure["what"] == f"round {trained.id}"
    assert "rollq tasks retry --pool round --status failed" in failure["fix"]


@pytest.fixture
def compared(backend: Backend, tmp_path: Path) -> OnlineManager:
    """A strategy with two challengers, with ten sessions of its routine."""
    made = manager(backend, template(write_prices(tmp_path / "prices.parquet"), "three", challengers=RIDGES))
    made.routine(LIVED[4], timeout=60)
    return made


def test_any_two_variants_are_compared(compared: OnlineManager, rollq: CommandLine) -> None:
    for words in (("ridge1", "ridge9"), ("ridge1", "ridge9", "three"), ("ridge1", "three", "--champion", "ridge9")):
        found = rollq("online", "compare", *words, "--json").json
        assert (words, found["challenger"], found["champion"]) == (words, "ridge1", "ridge9")
    for words in (("ridge1",), ("ridge1", "three"), ("ridge1", "base")):
        assert rollq("online", "compare", *words, "--json").json["champion"] == "base"
    nobody = rollq("online", "compare", "ridge1", "nobody")
    assert (nobody.code, "neither a variant nor a strategy 'nobody'" in nobody.err, "ridge9" in nobody.err) == (
        3,
        True,
        True,
    )
    itself = rollq("online", "compare", "base")
    assert (itself.code, "ridge1" in itself.err) == (2, True)


def test_a_rollback_tells_from_when_on_it_serves(backend: Backend, compared: OnlineManager, rollq: CommandLine) -> None:
    assert len(OnlineSets(backend.store).history("three")) > 1
    last = SignalLedger(backend).last_day("three")
    told = rollq("online", "rollback")
    assert f"from the first session after {last} on" in told.out
    assert f"published up to {last} stays" in told.out
    promoted = rollq("online", "promote", "ridge1", "--json").json
    assert (promoted["champion"], promoted["published"]) == ("ridge1", last)
