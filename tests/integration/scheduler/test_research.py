"""Research: trained, gathered, measured, compared and promoted; until then nothing of it serves."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rollq import Backend, RollingStrategy, TrainerR
from rollq.enqueueing import enqueue_plan, enqueue_research
from rollq.scheduler.champions.research import compare_rounds, find_round, promote_round, signals_of
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.rounds.trained_round import TrainedRound
from rollq.tasks.errors import BadInput, CoverageError, NotFound, RoundFailed, StateError
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.registry import ModelRegistry
from tests.command_line import CommandLine
from tests.online_strategies import RIDGE, template, with_components, write_prices

LINE = {"name": "line", "model": RIDGE}


def strategy(backend: Backend, folder: Path, name: str, **options: object) -> RollingStrategy:
    path = folder / "prices.parquet"
    return RollingStrategy.of_template(
        template(path if path.exists() else write_prices(path), name, **options), backend.settings
    )


def work(backend: Backend, *rounds: TrainedRound) -> None:
    for trained in rounds:
        TrainerR(trained.pool, backend=backend).wait_gathered(trained, timeout=60)


@pytest.fixture
def rollq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: Backend) -> CommandLine:
    return CommandLine(monkeypatch, capsys, backend.settings)


def test_it_is_measured_and_compared_and_nothing_serves_until_it_is_promoted(
    backend: Backend, tmp_path: Path, rollq: CommandLine
) -> None:
    made = strategy(backend, tmp_path, "tried", challengers=[LINE])
    opened = enqueue_research(made, backend)
    assert list(opened) == ["tried", "tried:line"]
    assert rollq("research", "compare", "tried", "tried:line").code == 5  # not gathered yet
    work(backend, *opened.values())

    assert OnlineSets(backend.store).strategies() == []
    assert MLflowExperiment.open("tried", backend.settings.mlflow_uri).name == "tried"
    assert ModelRegistry(backend.settings.mlflow_uri).aliased("tried") is None
    assert rollq("online", "show", "--json").json == []
    listed = rollq("research", "list", "--json").json
    assert [(one["name"], one["status"]) for one in listed] == [("tried", "gathered"), ("tried:line", "gathered")]
    assert all(set(one["signals"]) >= {"rows", "sha256"} for one in listed)

    assert [one["name"] for one in rollq("status", "--json").json["rounds"]] == ["tried", "tried:line"]
    assert "tried:line" in rollq("status").out

    (found,) = rollq("research", "compare", "tried", "tried:line", "--json").json
    assert (found["champion"], found["challenger"]) == ("tried", "tried:line")
    assert found["sessions"] > 40
    assert found["difference"]["IC"]["low"] <= found["difference"]["IC"]["mean"] <= found["difference"]["IC"]["high"]
    shown = rollq("signals", "show", "--round", "tried:line", "--json").json
    assert (shown["strategy"], shown["round"], shown["version"]) == ("tried:line", opened["tried:line"].id, None)

    promoted = rollq("research", "promote", "tried:line", "--json").json
    assert (promoted["strategy"], promoted["version"], promoted["champion"]) == ("tried", 1, "line")
    result = backend.rounds.get(opened["tried:line"].id).result or {}
    assert [model["recorder_id"] for model in promoted["models"]] == result["runs"]
    before = signals_of(backend, backend.rounds.get(opened["tried:line"].id))
    after = rollq("signals", "export", tmp_path / "after.csv", "--json").json
    assert (after["version"], after["rows"]) == (1, len(before))
    again = rollq("research", "promote", "tried:line")
    assert (again.code, "serves already" in again.err) == (5, True)


def test_the_same_research_again_is_the_same_round_and_other_research_is_another(
    backend: Backend, tmp_path: Path, rollq: CommandLine
) -> None:
    (first,) = enqueue_research(strategy(backend, tmp_path, "same"), backend).values()
    work(backend, first)
    (again,) = enqueue_research(strategy(backend, tmp_path, "same"), backend).values()
    assert (again.id, again.ended, again.created.new) == (first.id, True, 0)
    (other,) = enqueue_research(strategy(backend, tmp_path, "same", model=RIDGE), backend).values()
    assert (other.id != first.id, other.ended) == (True, False)
    work(backend, other)
    assert find_round(backend, "same").id == other.id  # the newest of a name
    assert find_round(backend, first.id[:6]).id == first.id
    found = compare_rounds(backend, find_round(backend, first.id), find_round(backend, other.id), last=20)
    assert (found.sessions <= 20, found.champion, found.challenger) == (True, f"same {first.id}", f"same {other.id}")
    assert rollq("research", "compare", first.id, first.id[:8]).code == BadInput.exit_code
    with pytest.raises(NotFound, match="no round 'nothing'"):
        find_round(backend, "nothing")


def test_what_was_promoted_before_comes_back_by_a_rollback(
    backend: Backend, tmp_path: Path, rollq: CommandLine
) -> None:
    rounds = []
    for options in ({}, {"model": RIDGE}):
        (opened,) = enqueue_research(strategy(backend, tmp_path, "cafe", **options), backend).values()
        work(backend, opened)
        assert rollq("research", "promote", opened.id).code == 0
        rounds.append(opened.id)
    again = rollq("research", "promote", rounds[0])
    assert (again.code, "as version 1; version 2 serves" in again.err) == (StateError.exit_code, True)
    assert "`rollq online rollback cafe --to 1`" in again.err
    assert rollq("online", "rollback", "cafe", "--to", "1", "--json").json["version"] == 3


def test_a_name_is_meant_before_the_beginning_of_an_id(backend: Backend, tmp_path: Path) -> None:
    (first,) = enqueue_research(strategy(backend, tmp_path, "first"), backend).values()
    (other,) = enqueue_research(strategy(backend, tmp_path, first.id[:5]), backend).values()
    assert find_round(backend, first.id[:5]).id == other.id
    assert find_round(backend, first.id[:6]).id == first.id
    assert find_round(backend, first.id).id == first.id


def test_research_is_compared_with_what_serves(backend: Backend, tmp_path: Path) -> None:
    serves = enqueue_plan(strategy(backend, tmp_path, "serves").plan(), backend)
    (tried,) = enqueue_research(strategy(backend, tmp_path, "tried", model=RIDGE), backend).values()
    work(backend, serves, tried)
    found = compare_rounds(backend, find_round(backend, "serves"), find_round(backend, "tried"))
    assert (found.champion, found.challenger) == ("serves", "tried")
    with pytest.raises(CoverageError):
        compare_rounds(backend, find_round(backend, "serves"), find_round(backend, "tried"), start="2030-01-01")


def test_a_failure_is_seen_and_says_what_to_do(backend: Backend, tmp_path: Path, rollq: CommandLine) -> None:
    backend, cause = with_components(backend), tmp_path / "cause"
    cause.touch()
    broken = {"class": "BrokenModel", "kwargs": {"while_there": str(cause)}}
    (opened,) = enqueue_research(strategy(backend, tmp_path, "broken", model=broken), backend).values()
    with pytest.raises(RoundFailed, match="made to fail"):
        work(backend, opened)
    (listed,) = rollq("research", "list", "--json").json
    assert (listed["status"], "made to fail" in listed["reason"]) == ("failed", True)
    for verb in (("compare", "broken", "broken"), ("promote", "broken"), ("report", "broken")):
        assert rollq("research", *verb).code in (2, 5)
    (again,) = enqueue_research(strategy(backend, tmp_path, "broken", model=broken), backend).values()
    assert (again.id, again.ended) == (opened.id, True)
    cause.unlink()
    assert rollq("tasks", "retry", "--pool", "broken", "--status", "failed").code == 0
    work(backend, opened)
    assert rollq("research", "show", "broken", "--json").json["states"] == {"DONE": len(opened.created.ids)}


def test_enqueuing_a_round_again_makes_no_version_and_results_that_changed_do(backend: Backend, tmp_path: Path) -> None:
    made, sets = strategy(backend, tmp_path, "again"), OnlineSets(backend.store)
    first = enqueue_plan(made.plan(), backend)
    assert enqueue_plan(made.plan(), backend).id == first.id  # while it is under way, too
    work(backend, first)
    second = enqueue_plan(made.plan(), backend)
    assert (second.id, second.ended) == (first.id, True)
    assert [one.version for one in sets.history("again")] == [1]
    (research,) = enqueue_research(made, backend).values()
    assert (research.id != first.id, research.created.new) == (True, 0)  # the same tasks, for another purpose
    work(backend, research)
    assert [one.version for one in sets.history("again")] == [1]

    third = enqueue_plan(made.plan(), backend, force=True)
    assert (third.id != first.id, third.ended, third.created.new) == (True, False, 0)
    assert enqueue_plan(made.plan(), backend).id == third.id
    work(backend, third)
    assert [one.version for one in sets.history("again")] == [1, 2]
    with pytest.raises(StateError, match="trained again"):
        promote_round(backend, backend.rounds.get(research.id))


def test_the_report_is_html_or_markdown(backend: Backend, tmp_path: Path, rollq: CommandLine) -> None:
    path = tmp_path / "tried.yaml"
    made = template(write_prices(tmp_path / "prices.parquet"), "tried")
    rolling = {"kwargs": made.rolling["kwargs"]}
    path.write_text(yaml.safe_dump({"name": "tried", **made.definition, "rolling": rolling}))
    (answer,) = rollq("enqueue", path, "--research", "--json").json
    assert (answer["name"], answer["ended"], answer["new"]) == ("tried", False, len(answer["tasks"]))
    TrainerR("tried", backend=backend).wait_gathered(_trained(backend, answer["round"]), timeout=60)
    page = tmp_path / "page.md"
    assert rollq("research", "report", "tried", "--out", page).code == 0
    text = page.read_text()
    assert (text.count("| DONE |"), "nothing, it is research" in text) == (len(answer["tasks"]), True)
    html = rollq("research", "report", answer["round"], "--json").json["report"]
    assert "<html" in Path(html).read_text()
    assert rollq("research", "report", "tried", "--out", tmp_path / "page.pdf").code == 2
    told = rollq("enqueue", path, "--research").out
    assert "gathered already, nothing was enqueued" in told


def _trained(backend: Backend, ident: str) -> TrainedRound:
    from rollq.tasks.queue.task import Created

    found = backend.rounds.get(ident)
    assert found.status is RoundState.OPEN
    return TrainedRound(ident, found.pool, Created(found.task_ids, 0))
