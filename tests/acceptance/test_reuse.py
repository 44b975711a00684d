"""What is unchanged is reused, and the command line says why; what changed is trained again, and it says what did."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq import Backend, TaskManager
from rollq.cli.main import main
from rollq.tasks.client.reuse import NEW, REUSED
from tests.conftest import EXAMPLES

SPAN = ("--from", "2019-07-01", "--to", "2021-06-30")
Call = Callable[..., Any]


@pytest.fixture
def call(backend: Backend, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """``rollq ... --json`` in this process, on the servers of the test."""
    settings, root, handler = backend.settings, logging.getLogger(), signal.getsignal(signal.SIGTERM)
    handlers, level = root.handlers[:], root.level
    for name, value in (
        ("ROLLQ_MONGO_URI", settings.mongo_uri),
        ("ROLLQ_MONGO_DATABASE", settings.mongo_database),
        ("ROLLQ_REDIS_URL", settings.redis_url),
        ("MLFLOW_TRACKING_URI", settings.mlflow_uri),
        ("ROLLQ_STATE_DIR", str(settings.state_dir)),
    ):
        monkeypatch.setenv(name, value or "")

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["rollq", *arguments, "--json"])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert left.value.code in (0, None), err
        return json.loads(out)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The small example with five stocks, in a folder of its own."""
    prices = pd.read_parquet(EXAMPLES / "prices_small.parquet")
    names = sorted(prices["instrument"].unique())[:5]
    prices = prices[prices["instrument"].isin(names) & (prices["datetime"] >= "2015-01-01")]
    prices.to_parquet(tmp_path / "prices_small.parquet")
    path = tmp_path / "small.yaml"
    path.write_text((EXAMPLES / "small.yaml").read_text())
    return path


def finish(backend: Backend, pool: str) -> None:
    """Let every task of a pool be DONE, as if it had been trained."""
    manager = TaskManager(pool, backend)
    for task in manager.task_fetcher_iter():
        manager.commit_task_res(task, {"recorder_id": "r"})


def revise(template: Path, days: list[str], factor: float = 1.01) -> None:
    """Change the close of one stock on some days."""
    path = template.parent / "prices_small.parquet"
    prices = pd.read_parquet(path)
    first = prices["instrument"].min()
    prices.loc[(prices["instrument"] == first) & prices["datetime"].isin(pd.DatetimeIndex(days)), "close"] *= factor
    prices.to_parquet(path)


def append(template: Path, day: str) -> None:
    """Another session at the end."""
    path = template.parent / "prices_small.parquet"
    prices = pd.read_parquet(path)
    last = prices[prices["datetime"] == prices["datetime"].max()]
    pd.concat([prices, last.assign(datetime=pd.Timestamp(day))]).to_parquet(path)


def test_from_one_row_more_to_changed_code(backend: Backend, call: Call, template: Path, tmp_path: Path) -> None:
    made = call("enqueue", str(template))
    assert {reason["why"] for reason in made["reasons"]} == {NEW}
    finish(backend, "sp500-small")
    count = len(made["tasks"])

    append(template, "2022-12-29")
    again = call("enqueue", str(template), "--dry-run")["reasons"]
    assert [reason["why"] for reason in again] == [REUSED] * count
    plan = call("backfill", "create", str(template), *SPAN, "--missing", "--dry-run")
    assert plan["counts"] == {"create": 0, "retry": 0, "train anew": 0, "leave": count}
    assert call("backfill", "create", str(template), *SPAN)["left"] == {REUSED: count}

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "prices_small.parquet").rename(elsewhere / "prices_small.parquet")
    moved = elsewhere / "small.yaml"
    moved.write_text(template.read_text().replace("learning_rate: 0.05", "learning_rate: 5e-2"))
    assert {reason["why"] for reason in call("enqueue", str(moved))["reasons"]} == {REUSED}
    paths = {
        task.definition["dataset"]["kwargs"]["path"] for task in backend.tasks.find("sp500-small", definitions=True)
    }
    assert paths == {str(elsewhere / "prices_small.parquet")}  # a worker that trains one again finds its file

    revise(moved, ["2016-02-01", "2016-02-02", "2016-02-03"])
    reasons = call("enqueue", str(moved))["reasons"]
    assert reasons[0]["why"].startswith("trained again: 3 sessions of train were revised")
    assert [reason["why"] for reason in reasons[2:]] == [REUSED] * (count - 2)
    said = call("tasks", "explain", reasons[0]["task"])["reasons"]
    assert any("3 sessions of train were revised" in line and made["tasks"][0] in line for line in said)
    said = call("tasks", "explain", made["tasks"][0])["reasons"]
    assert any(f"{reasons[0]['task']} came after it: 3 sessions of train" in line for line in said)
    said = call("tasks", "explain", made["tasks"][-1])["reasons"]
    assert any(REUSED in line for line in said)

    finish(backend, "sp500-small")
    moved.write_text(moved.read_text().replace("num_leaves: 31", "num_leaves: 15"))
    (why,) = {reason["why"] for reason in call("enqueue", str(moved), "--dry-run")["reasons"]}
    assert why == "trained again: the template changed: model.kwargs.num_leaves 31 -> 15"


def test_force_trains_all_the_same(backend: Backend, call: Call, template: Path) -> None:
    made = call("enqueue", str(template))
    finish(backend, "sp500-small")
    forced = call("enqueue", str(template), "--force")
    assert (forced["tasks"], forced["new"]) == (made["tasks"], 0)
    waiting = backend.tasks.find("sp500-small")
    assert {task.status for task in waiting} == {"WAITING"}
    assert all(task.committed for task in waiting)  # what serves is not taken away
    finish(backend, "sp500-small")
    plan = call("backfill", "create", str(template), *SPAN, "--force", "--dry-run")
    assert plan["counts"]["train anew"] == len(made["tasks"])


def test_a_task_of_an_earlier_version_is_no_obstacle(backend: Backend, call: Call, template: Path) -> None:
    made = call("enqueue", str(template))
    tasks = backend.store.collection("tasks")
    tasks.update_many({}, [{"$set": {"_id": "$_id"}}, {"$unset": "definition.identity"}])
    old = list(tasks.find({}))
    tasks.delete_many({})
    tasks.insert_many([{**document, "_id": document["_id"][::-1], "key": document["_id"]} for document in old])
    reasons = call("enqueue", str(template))["reasons"]
    assert {reason["why"] for reason in reasons} == {"trained again: the task before does not say what it was made of"}
    assert [reason["task"] for reason in reasons] == made["tasks"]
    assert len(backend.tasks.find("sp500-small")) == 2 * len(old)
