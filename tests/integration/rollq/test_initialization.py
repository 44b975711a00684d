"""``rollq.init``: what a script says first; it may be called again, and servers are started where there are none."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import rollq
from rollq import BadInput, R, RollingGen, Settings, SettingsError, StateError, TaskManager
from rollq.tasks.config.settings import current_settings
from rollq.tasks.rolling.calendar import default_calendar
from rollq.tasks.runtime import find_running
from tests.conftest import EXAMPLES

pytestmark = pytest.mark.usefixtures("script_ends")

SEED = {
    "class": "MLflowExpManager",
    "module_path": "qlib.workflow.expm",
    "kwargs": {"uri": "file:mlruns", "default_exp_name": "mine"},
}


def mongo(settings: Settings) -> dict[str, object]:
    return {"task_url": settings.mongo_uri, "task_db_name": settings.mongo_database}


def test_servers_of_the_reference_s_words_without_a_broker(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backend = rollq.init(mongo=mongo(settings), exp_manager=SEED)
    assert (backend.settings.mongo_uri, backend.settings.mongo_database) == tuple(mongo(settings).values())
    TaskManager("pool").create_task([{"model": {"class": "LGBModel"}}])
    assert len(list(TaskManager("pool", backend).query())) == 1
    assert TaskManager("pool").backend is backend
    with R.start(recorder_name="first"):
        R.log_metrics(ic=1.0)
    # A plain folder is the database inside it, for this process and for workers.
    assert R.get_uri() == backend.settings.mlflow_uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert R.get_exp().name == "mine"
    assert (tmp_path / "mlruns" / "artifacts" / "mine").is_dir()


def test_it_may_be_called_again(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = rollq.init(mongo=mongo(settings), max_attempts=7)
    assert current_settings().max_attempts == 7
    assert rollq.init(mongo={"task_url": settings.mongo_uri}, skip_if_reg=True) is first
    second = rollq.init(mongo={**mongo(settings), "task_db_name": "other"}, redis_url=settings.redis_url)
    first.store.close()
    assert (second.settings.mongo_database, second.settings.redis_url) == ("other", settings.redis_url)
    assert current_settings().max_attempts == Settings().max_attempts
    with R.start(experiment_name="open"), pytest.raises(StateError, match="active"):
        rollq.init(mongo=mongo(settings))
    assert current_settings().mongo_database == "other"  # the refused call changed nothing


def test_keywords_of_the_reference_are_taken_and_misspelt_ones_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        rollq.init(
            "~/no/such/folder",
            "cn",
            mongo=mongo(settings),
            kernels=1,
            expression_cache=None,
            logging_level=logging.INFO,
        )
    (line,) = [record.message for record in caplog.records if "without meaning" in record.message]
    assert line.endswith("expression_cache, kernels")
    for wrong, hint in (({"expresion_cache": 1}, "expression_cache"), ({"max_attemps": 1}, "max_attempts")):
        with pytest.raises(SettingsError) as refused:
            rollq.init(mongo=mongo(settings), **wrong)
        assert hint in refused.value.fix
    with pytest.raises(SettingsError) as refused:
        rollq.init(mongo={"task_uri": "mongodb://127.0.0.1"})
    assert "task_url" in refused.value.fix
    with pytest.raises(SettingsError, match=r"rollq\.init"):
        rollq.init(mongo={"task_url": "nonsense"})
    with pytest.raises(SettingsError, match="broker"):
        rollq.init(redis_url=settings.redis_url)
    with pytest.raises(BadInput, match="mapping"):
        rollq.init(mongo=mongo(settings), exp_manager={"class": "MLflowExpManager", "kwargs": 3})


@pytest.mark.parametrize(
    ("changes", "key", "name"),
    [
        ({"kwargs": {"url": "file:mlruns"}}, "exp_manager.kwargs.url", "uri"),
        ({"kwargs": {"uri": "file:mlruns", "default_exp_nam": "mine"}}, "exp_manager.kwargs", "default_exp_name"),
        ({"kwarg": {"uri": "file:mlruns"}}, "exp_manager.kwarg", "kwargs"),
    ],
)
def test_a_misspelt_key_of_the_manager_is_refused_before_anything_starts(
    changes: dict[str, object], key: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the nearest name that there is: the same key would otherwise be kept, and mean nothing."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as refused:
        rollq.init(exp_manager={**SEED, **changes}, state_dir=tmp_path / "state")
    assert key in refused.value.message
    assert f"Did you mean {name!r}?" in refused.value.fix
    assert not (tmp_path / "state").exists()


def test_the_calendar_is_that_of_the_prices_or_of_a_folder(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rollq.init(EXAMPLES / "prices_small.parquet", mongo=mongo(settings))
    calendar = default_calendar()
    assert calendar
    assert len(calendar.cals) > 500
    assert RollingGen(step=20).ta is calendar
    (tmp_path / "data" / "calendars").mkdir(parents=True)
    (tmp_path / "data" / "calendars" / "day.txt").write_text("2020-01-02\n2020-01-03\n")
    (tmp_path / "data" / "calendars" / "day_future.txt").write_text("2020-01-02\n2020-01-03\n2020-01-06\n")
    rollq.init({"day": tmp_path / "data"}, mongo=mongo(settings))
    found = RollingGen(step=20).ta
    assert (f"{found.last_known:%F}", f"{found.max():%F}") == ("2020-01-03", "2020-01-06")
    rollq.init(mongo=mongo(settings))
    assert default_calendar() is None


def test_runs_of_before_stay_in_their_folder(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = tmp_path / "mlruns" / "1" / "abc"
    old.mkdir(parents=True)
    (old / "meta.yaml").write_text("name: old\n")
    config = {"class": "MLflowExpManager", "kwargs": {"uri": f"file://{tmp_path}/mlruns"}}
    for _ in range(2):
        rollq.init(mongo=mongo(settings), exp_manager=config)
    (line,) = [record.message for record in caplog.records if "plain folders" in record.message]
    assert "rollq import qlib" in line
    assert (old / "meta.yaml").read_text() == "name: old\n"


SCRIPT = """
import os, rollq
from rollq import R, TaskManager
backend = rollq.init()
assert rollq.init().settings == backend.settings
TaskManager("pool").create_task([{"model": {"class": "LGBModel"}}])
with R.start(experiment_name="e"):
    R.log_metrics(ic=1.0)
pid = os.fork()
if pid == 0:
    raise SystemExit(0)  # its end is not that of the stack
os.waitpid(pid, 0)
print(len(list(TaskManager("pool").query())), TaskManager.list())
"""


def test_a_stack_is_started_where_there_is_none_and_ends_with_the_script(tmp_path: Path) -> None:
    for _ in range(2):  # the second script finds what the first one has left
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout.strip(), done.returncode) == ("1 ['pool']", 0), done.stderr
        assert "embedded stack" in done.stderr
        assert find_running(tmp_path / ".rollq") is None
