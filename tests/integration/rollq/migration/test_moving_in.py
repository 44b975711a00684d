"""A user of Qlib moves in: the runs come over, and the routine of the same workflow goes on where Qlib stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rollq import Backend
from rollq.scheduler.online.ledger import OnlineSets
from rollq.tasks.identity import canonical
from tests.command_line import CommandLine
from tests.qlib_runs import DAYS, WINDOWS, task


def test_the_routine_goes_on_with_imported_models(
    backend: Backend,
    runs: Path,
    recorded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They predict the days that came since, until the next window is trained; its set is version 2."""
    command, name, data = CommandLine(monkeypatch, capsys, backend.settings), "moved in", recorded.parent / "data"
    workflow = tmp_path / "workflow.yaml"
    content = {
        "qlib_init": {"provider_uri": str(data), "region": "cn"},
        "task": canonical(task(WINDOWS[0])),
        "rolling": {"class": "RollingGen", "kwargs": {"step": 10, "rtype": "sliding"}},
    }
    workflow.write_text(yaml.safe_dump(content))
    where = ("--experiment", "daily", "--name", name, "--provider-uri", data)
    assert command("import", "qlib", runs, *where).code == 0
    begin, last = f"{DAYS[51]:%Y-%m-%d}", f"{DAYS[52]:%Y-%m-%d}"
    added = command("online", "add", workflow, "--name", name, "--begin", begin)
    assert added.code == 0, added.err
    done = command("routine", "run", name, "--session", last, "--here")
    assert done.code == 0, done.err
    history = OnlineSets(backend.store).history(name)
    assert [one.version for one in history] == [1, 2]
    assert {model.identity for one in history for model in one.models} == {history[0].models[0].identity}
    signals = command("signals", "show", name, "--json")
    assert (signals.json["date"], len(signals.json["signals"])) == (last, 4)
    assert command("doctor").out.count("FAIL serving") == 0
