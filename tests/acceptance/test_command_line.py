"""The command line as a user meets it: bad input, exit codes, JSON, a foreign tasks.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from rollq import LocalStack
from tests.acceptance.processes.worker_processes import worker
from tests.conftest import EXAMPLES

ROLLQ = str(Path(sys.executable).with_name("rollq"))


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ROLLQ_", "MLFLOW_TRACKING"))}
    return subprocess.run(
        [ROLLQ, *arguments], cwd=cwd, env={**clean, **(env or {})}, capture_output=True, text=True, check=False
    )


def template(folder: Path, change: Callable[[dict[str, Any]], Any] | None = None) -> str:
    content = yaml.safe_load((EXAMPLES / "small.yaml").read_text())
    content["dataset"]["kwargs"]["path"] = str(EXAMPLES / "prices_small.parquet")
    if change:
        change(content)
    path = folder / "template.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def set_(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def remove(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


def rename(content: dict[str, Any]) -> None:
    content["modle"] = content.pop("model")


SEGMENTS = ("dataset", "kwargs", "segments")
FEATURES = ("dataset", "kwargs", "features")
BAD = {
    "misspelt key": (rename, "modle", "model"),
    "misspelt keyword": (set_("dataset", "kwargs", "fetures", value=[]), "dataset.kwargs.fetures", "features"),
    "misspelt feature": (set_(*FEATURES, 0, "op", value="momentun"), "features[0].op", "momentum"),
    "unknown class": (set_("model", "class", value="LGBModle"), "model.class", "LGBModel"),
    "not registered": (set_("model", "module_path", value="os"), "model.class", "registered"),
    "reversed": (set_(*SEGMENTS, "train", value=["2018-12-31", "2016-01-04"]), "segments.train", "Swap"),
    "overlapping": (set_(*SEGMENTS, "valid", value=["2018-06-01", "2019-06-28"]), "segments.valid", "after"),
    "outside": (set_(*SEGMENTS, "train", value=["1980-01-01", "1980-12-31"]), "segments.train", "calendar"),
    "beyond": (set_(*SEGMENTS, "test", value=["2031-01-01", None]), "segments.test", "calendar"),
    "no date": (set_(*SEGMENTS, "train", value=["soon", "2018-12-31"]), "segments.train", "YYYY-MM-DD"),
    "missing file": (set_("dataset", "kwargs", "path", value="nowhere.parquet"), "dataset.kwargs.path", "Give a file"),
    "empty universe": (set_("dataset", "kwargs", "universe", value=["NOBODY"]), "universe", "instruments"),
    "all NaN": (set_(*FEATURES, value=[{"op": "momentum", "windows": [100_000]}]), "features", "shorter"),
    "leaky label": (set_("rolling", "kwargs", "purge", value=5), "rolling.kwargs.purge", "6 or more"),
    "leaky by one": (set_("rolling", "kwargs", "trunc_days", value=6), "rolling.kwargs.trunc_days", "7"),
    "bad step": (set_("rolling", "kwargs", "step", value=0), "rolling.kwargs.step", "at least 1"),
    "text for a number": (set_("rolling", "kwargs", "trunc_days", value="7"), "rolling.kwargs.trunc_days", "whole"),
    "a function in YAML": (set_("rolling", "kwargs", "task_copy_func", value="x"), "task_copy_func", "Python"),
    "no record": (set_("record", value=[]), "record", "SignalRecord"),
    "no rolling": (remove("rolling"), "rolling", "template.md"),
    "bad name": (set_("name", value="../escape"), "name", "letters"),
    "thread budget": (set_("model", "kwargs", "num_threads", value=8), "num_threads", "Leave it out"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_with_its_fix_before_anything_happens(name: str, tmp_path: Path) -> None:
    change, key, fix = BAD[name]
    cache = {"ROLLQ_STATE_DIR": str(tmp_path / "state")}
    found = run("enqueue", template(tmp_path, change), cwd=tmp_path, env=cache)
    assert found.returncode == 2, found.stderr
    assert found.stdout == ""
    assert found.stderr.startswith("Error: ")
    assert key in found.stderr
    assert "Fix: " in found.stderr
    assert fix in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "state" / "mongo").exists()


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "model: [unclosed", "\x00"])
def test_a_file_that_is_no_template(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    found = run("enqueue", str(path), cwd=tmp_path)
    assert (found.returncode, "Traceback" in found.stderr) == (2, False)
    assert run("enqueue", "nowhere.yaml", cwd=tmp_path).returncode == 2


def test_prices_that_are_no_prices(tmp_path: Path) -> None:
    env = {"ROLLQ_STATE_DIR": str(tmp_path / "state")}
    (tmp_path / "text.parquet").write_text("not parquet")
    pd.DataFrame({"datetime": [1]}).to_parquet(tmp_path / "columns.parquet")
    for name, expected in (("text.parquet", "not a Parquet file"), ("columns.parquet", "no column")):
        path = template(tmp_path, set_("dataset", "kwargs", "path", value=str(tmp_path / name)))
        found = run("enqueue", path, cwd=tmp_path, env=env)
        assert (found.returncode, expected in found.stderr) == (2, True), found.stderr


def test_without_a_stack_every_command_says_what_to_do(tmp_path: Path) -> None:
    for verb in (["status"], ["online", "show"], ["signals", "show"], ["tasks", "list"]):
        found = run(*verb, cwd=tmp_path)
        assert (found.returncode, "rollq up" in found.stderr) == (4, True), found.stderr
    assert run("doctor", "--json", cwd=tmp_path).returncode == 4


def test_usage_errors_leave_with_2(tmp_path: Path) -> None:
    for arguments in (["frobnicate"], ["status", "--nonsense"], ["enqueue"], ["--log-level", "LOUD", "status"]):
        found = run(*arguments, cwd=tmp_path)
        assert (found.returncode, "Traceback" in found.stderr) == (2, False), found.stderr


def test_a_foreign_tasks_module_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("raise SystemExit('the foreign module was imported')")
    assert run("--help", cwd=tmp_path).returncode == 0
    found = run("enqueue", template(tmp_path), "--dry-run", cwd=tmp_path)
    assert found.returncode == 0, found.stderr


def test_the_way_of_the_readme(tmp_path: Path) -> None:
    path = template(tmp_path)
    plan = json.loads(run("enqueue", path, "--dry-run", "--json", cwd=tmp_path).stdout)
    with LocalStack(tmp_path / ".rollq") as stack:
        assert stack.runtime
        again = run("up", cwd=tmp_path)
        assert (again.returncode, str(stack.runtime.pid) in again.stderr) == (4, True)
        first = json.loads(run("enqueue", path, "--json", cwd=tmp_path).stdout)
        second = json.loads(run("enqueue", path, "--json", cwd=tmp_path).stdout)
        assert (first["new"], second["new"]) == (len(plan["windows"]), 0)
        assert first["tasks"] == second["tasks"]
        ident = first["tasks"][0]
        assert run("tasks", "prioritize", ident[:8], "--priority", "3", cwd=tmp_path).returncode == 0
        assert run("tasks", "retry", ident, cwd=tmp_path).returncode == 5
        assert run("tasks", "cancel", ident, cwd=tmp_path).returncode == 0
        assert json.loads(run("tasks", "retry", ident, "--json", cwd=tmp_path).stdout)["retried"] == [ident]
        settings = stack.runtime.settings(_settings(tmp_path))
        with worker(settings):
            _wait_gathered(tmp_path)
        checks = json.loads(run("doctor", "--json", cwd=tmp_path).stdout)
        assert all(check["ok"] for check in checks), checks
    # The stack is gone: each command starts it for itself.
    shown = json.loads(run("signals", "show", "--json", cwd=tmp_path).stdout)
    assert len(shown["signals"]) == 10
    online = json.loads(run("online", "show", "--json", cwd=tmp_path).stdout)
    assert {found["version"] for found in online} <= {1, 2}
    exported = run("signals", "export", "out.csv", "--json", cwd=tmp_path)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == json.loads(exported.stdout)["rows"] + 1
    listed = json.loads(run("tasks", "list", "--status", "done", "--json", cwd=tmp_path).stdout)
    assert len(listed) == len(plan["windows"])
    assert "committed" in run("tasks", "show", ident, cwd=tmp_path).stdout
    assert run("tasks", "show", "ffff", cwd=tmp_path).returncode == 3
    assert run("signals", "show", "nothing", cwd=tmp_path).returncode == 3


def _settings(folder: Path) -> Any:
    from rollq import load_settings

    return load_settings(state_dir=folder / ".rollq", sweep_seconds=0.5)


def _wait_gathered(folder: Path) -> None:
    from tests.acceptance.processes.worker_processes import wait_until

    def gathered() -> bool:
        found = json.loads(run("status", "--json", cwd=folder).stdout)
        return all(one["status"] == "gathered" for one in found["rounds"])

    wait_until(gathered, 120)


def test_demo_prints_one_json_object(tmp_path: Path) -> None:
    naive = {"name": "naive", "model": {"class": "FeatureModel", "kwargs": {"feature": "momentum_5"}}}
    path = template(tmp_path, set_("online", value={"challengers": [naive]}))
    found = run("demo", "--json", "--template", path, "--workers", "2", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert {
        "pool",
        "windows",
        "done",
        "failed",
        "workers",
        "online_set",
        "seconds",
        "metrics",
        "signals",
        "report",
    } <= set(answer)
    assert answer["windows"] == answer["done"] > 0
    assert {"total", "train_sum", "gather"} <= set(answer["seconds"])
    assert {"IC", "ICIR", "Rank IC", "Rank ICIR"} == set(answer["metrics"])
    frame = pd.read_parquet(answer["signals"]["path"])
    assert len(frame) == answer["signals"]["rows"]
    assert not frame.duplicated(["datetime", "instrument"]).any()
    (compared,) = answer["compared"]
    assert list(compared["metrics"]) == ["sp500-small", "sp500-small:naive"]
    assert compared["rows"] > 0
    assert answer["apart"] == {}
    page = Path(answer["report"]).read_text()
    assert "Timeline" in page
