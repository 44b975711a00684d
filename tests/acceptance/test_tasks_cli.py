"""The verbs of ``rollq tasks`` as people and scripts use them."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollq import Backend, Settings
from rollq.cli.main import main
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.strategies.rolling import RollingStrategy
from rollq.tasks.identity import task_id, task_key
from rollq.tasks.rolling.template import load_template
from tests.made_sets import made_set
from tests.pool_tasks import definition

TEMPLATE = Path(__file__).parents[2] / "examples" / "sp500" / "small.yaml"


class Shell:
    """The command line in this process, with the servers of the test; elsewhere it is a process of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def call(self, *arguments: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["rollq", "tasks", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err, err
        return int(left.value.code or 0), out, err

    def json(self, *arguments: str, code: int = 0) -> Any:
        returned, out, err = self.call(*arguments, "--json")
        assert returned == code, err
        return json.loads(out)

    def refuse(self, code: int, text: str, *arguments: str) -> None:
        returned, _, err = self.call(*arguments)
        assert (returned, text in err, "Fix: " in err) == (code, True, True), err

    def write(self, name: str, value: Any) -> str:
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return str(path)


@pytest.fixture
def shell(
    backend: Backend, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    settings, root, handler = backend.settings, logging.getLogger(), signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("ROLLQ_MONGO_URI", settings.mongo_uri)
    monkeypatch.setenv("ROLLQ_MONGO_DATABASE", settings.mongo_database)
    monkeypatch.setenv("ROLLQ_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.mlflow_uri)
    handlers, level = root.handlers[:], root.level
    yield Shell(tmp_path, capsys, monkeypatch)
    root.handlers[:] = handlers
    root.setLevel(level)
    signal.signal(signal.SIGTERM, handler)


def test_a_task_by_hand_from_create_to_commit(shell: Shell) -> None:
    file = shell.write("tasks.json", [definition(n) for n in range(3)])
    assert shell.json("create", file, "--pool", "p", "--dry-run")["new"] == 0
    made = shell.json("create", file, "--pool", "p")
    assert (made["new"], shell.json("create", file, "--pool", "p")["new"]) == (3, 0)
    assert shell.json("pools") == ["p"]
    query = json.dumps({"filter.model.kwargs.n": 1})
    claim = shell.json("fetch", "--pool", "p", "--query", query)
    assert (claim["id"], claim["definition"]) == (made["tasks"][1], definition(1))
    ident, fence = claim["id"], str(claim["fence"])
    assert shell.json("renew", ident, "--fence", fence)["done"] == "renewed"
    shell.refuse(5, "is lost", "renew", ident, "--fence", "99")
    shell.refuse(2, "no mapping", "commit", ident, "--fence", fence, "--result", shell.write("bad.json", "3"))
    result = shell.write("result.json", {"ic": 0.25})
    assert shell.json("commit", ident, "--fence", fence, "--result", result)["task"] == ident
    shown = shell.json("show", ident)
    assert (shown["status"], shown["result"]) == ("DONE", {"ic": 0.25})
    (attempt,) = shown["timeline"]
    assert (attempt["number"], attempt["end"], attempt["why"], attempt["seconds"] > 0) == (1, "DONE", "committed", True)
    assert "Attempts (UTC)" in shell.call("show", ident)[1]
    other = shell.json("fetch", "--pool", "p")
    failed = shell.json("fail", other["id"], "--fence", str(other["fence"]), "--message", "no data", "--permanent")
    assert "FAILED" in failed["done"]
    assert [task["id"] for task in shell.json("list", "--error", "NO DATA")] == [other["id"]]
    last = shell.json("fetch", "--pool", "p")
    shell.json("give-back", last["id"], "--fence", str(last["fence"]))
    assert shell.json("stat", "--pool", "p") | {"WAITING": 1, "DONE": 1, "FAILED": 1} == shell.json("stat")
    new = shell.json("replace", last["id"], shell.write("new.json", definition(7)))["new"]
    shell.refuse(3, "There is no task", "show", last["id"])
    assert "No worker is alive" in " ".join(shell.json("explain", new)["reasons"])
    shell.refuse(5, "1 WAITING", "wait", "--pool", "p", "--timeout", "0.2")
    shell.json("cancel", new)
    waited = shell.json("wait", "--pool", "p", code=5)
    assert {task["id"] for task in waited["failures"]} == {other["id"], new}


def test_definitions_are_cut_into_windows(shell: Shell) -> None:
    """As ``enqueue`` does, without a round; labels stay out of the test segments."""
    template = load_template(TEMPLATE, Settings())
    kept = {name: template.definition[name] for name in ("model", "dataset", "record")}
    file = shell.write("task.json", kept)
    kwargs = {name: value for name, value in template.rolling["kwargs"].items() if name != "purge"}
    plan = RollingStrategy.of_template(
        replace(template, rolling={**template.rolling, "kwargs": kwargs}), Settings(), "p"
    ).plan()
    made = shell.json("create", file, "--pool", "p", "--step", str(kwargs["step"]), "--rtype", str(kwargs["rtype"]))
    assert made["tasks"] == [task_id("p", task_key(one)) for one in plan.definitions]
    assert made["new"] == len(plan.definitions) > 1
    shell.refuse(2, "Give --step, too", "create", file, "--pool", "p", "--rtype", "sliding")
    shell.refuse(2, "rtype", "create", file, "--pool", "p", "--step", "20", "--rtype", "sideways")
    shell.refuse(
        2, "dataset: it is missing", "create", shell.write("m.json", {"model": {}}), "--pool", "p", "--step", "9"
    )


def test_many_tasks_by_filter_and_what_destroys_is_asked_for(shell: Shell, backend: Backend) -> None:
    ids = list(backend.tasks.create_tasks("p", [definition(n) for n in range(4)]).ids)
    backend.tasks.create_tasks("other", [definition(9)])
    shell.refuse(2, "Which tasks?", "remove", "--yes")
    shell.refuse(2, "Add --yes", "remove", "--pool", "p")
    shell.refuse(2, "cannot be mixed", "hold", ids[0], "--pool", "p")
    shell.refuse(3, "There is no pool", "hold", "--pool", "nowhere")
    shell.refuse(2, "no task state", "hold", "--status", "sleeping")
    shell.refuse(2, "is not a date", "hold", "--window", "soon")
    assert shell.json("hold", "--pool", "p", "--window", "2021-01-01")["held"] == ids[:1]
    assert shell.json("unhold", ids[0])["unheld"] == ids[:1]
    assert shell.json("prioritize", "--pool", "p", "--model", "M", "--priority", "4")["prioritized"] == ids
    claimed = backend.tasks.claim("p", "w", wanted=ids[0])
    assert claimed
    backend.tasks.commit(claimed, {"n": 1})
    shell.refuse(2, "Train 1 finished tasks again?", "reset-status", "--pool", "p", "--to", "waiting")
    assert shell.json("reset-status", ids[0], "--to", "waiting", "--yes")["moved to WAITING"] == [claimed.task_id]
    assert shell.json("cancel", ids[0])["done again"] == ids[:1]
    assert shell.json("show", ids[0])["result"] == {"n": 1}
    shell.refuse(5, "by hand", "reset-status", ids[1], "--to", "done")
    assert shell.json("reset-waiting", "--pool", "p") == {"taken back": []}
    OnlineSets(backend.store).publish(made_set("round", [OnlineModel(ids[3], "f" * 32, ("2021-01-04", None))]))
    removed = shell.json("remove", "--pool", "p", "--yes")
    assert (removed["removed"], removed["serving"]) == (ids[:3], {ids[3]: "version 1 of strategy 's'"})
    assert "belongs to version 1" in shell.call("remove", ids[3], "--yes")[1]
    assert shell.json("stat")["WAITING"] == 2
