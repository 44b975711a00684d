"""Every block of Python on a page runs as it stands there, on a real stack."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import rollq
from rollq import Backend, DelayTrainerR, Record, TaskManager, TaskState, TrainerR, load_settings
from rollq.enqueueing import enqueue_plan, plan_template
from rollq.tasks.config.settings import worker_environment

pytestmark = pytest.mark.usefixtures("script_ends")

ROOT = Path(__file__).parents[3]
SMALL = "examples/sp500/small.yaml"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"), *ROOT.glob("benchmarks/*.md")]
PAGES = {str(path.relative_to(ROOT)): BLOCK.findall(path.read_text()) for path in FILES}
SEGMENTS = {
    "train": ["2016-01-04", "2018-12-31"],
    "valid": ["2019-01-01", "2019-06-28"],
    "test": ["2019-07-01", "2019-12-31"],
}
MADE_UP = {"recorder": "4f0c...", "experiment": "daily"}  # MLflow is that of all tests: a name is used once
NEEDS_MLFLOW = "mlflow.pyfunc"  # the full package, which is not installed here


def blocks(page: str) -> list[str]:
    """The blocks of a page that can be run here."""
    return [block for block in PAGES[page] if NEEDS_MLFLOW not in block]


def run(code: str, names: dict[str, Any], **found: str) -> dict[str, Any]:
    """Run a block with the names of those before it; ``found`` are real values for those that the page makes up."""
    for made_up, real in found.items():
        code = code.replace(MADE_UP[made_up], real)
    exec(code, names)
    return names


@pytest.fixture
def here(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the examples, and the servers of the test in the environment."""
    for name, value in worker_environment(backend.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Backend, "connect", lambda settings=None: backend)  # which the test closes
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_classes_of_ones_own_on_the_pages_do_what_they_say() -> None:
    (function,) = blocks("docs/reference/expressions.md")
    drawdown = run(function, {})["Drawdown"]()
    rows = np.array([[1.0], [4.0], [2.0], [1.0]])
    assert drawdown.compute(rows, window=2)[1:, 0].tolist() == [0.0, -0.5, -0.5]
    assert drawdown.lookback(window=2) == 1
    (loss,) = blocks("docs/reference/models.md")
    gradient, curvature = run(loss, {})["Expectile"](0.75)(np.array([2.0, 0.0]), np.array([1.0, 1.0]), None)
    assert (gradient.tolist(), curvature.tolist()) == ([0.5, -1.5], [0.5, 1.5])
    # What the record measures is looked at where records are tested.
    (record,) = blocks("docs/how-to/measure-what-matters.md")
    assert issubclass(run(record, {})["StockOut"], Record)


def test_every_page_with_python_is_tried_here() -> None:
    text = Path(__file__).read_text()
    assert [page for page, found in PAGES.items() if found and f'"{page}"' not in text] == []


def test_front_page() -> None:
    (block,) = blocks("README.md")
    run(block, {})


def test_from_qlib(here: Path) -> None:
    script, pool = blocks("docs/how-to/from-qlib.md")
    (here / "script.py").write_text(script)  # in a process of its own, whose settings `rollq.init` may set
    ran = subprocess.run([sys.executable, "script.py"], cwd=here, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "('LGBModel',):" in ran.stdout
    assert run(pool, {})["waited"].states[TaskState.DONE] == 3


def test_own_dataset() -> None:
    (block,) = blocks("docs/reference/dataset.md")
    names = run(block, {"frame_hashes": rollq.frame_hashes})
    index = pd.MultiIndex.from_product([pd.to_datetime(["2024-01-02"]), ["A"]], names=["datetime", "instrument"])
    hashes = names["session_hashes"](SimpleNamespace(_closes=pd.DataFrame({"close": [1.0]}, index)))
    assert list(hashes) == ["2024-01-02"]


def test_own_classes(here: Path, backend: Backend) -> None:
    folder = ROOT / "examples" / "own_classes"
    page = (ROOT / "docs/how-to/bring-your-own-classes.md").read_text()
    files = [(folder / f"own_{part}.py").read_text() for part in ("dataset", "model", "record")]
    assert [block.strip() for block in blocks("docs/how-to/bring-your-own-classes.md")] == [
        one.strip() for one in files
    ]
    assert (folder / "own.yaml").read_text().strip() in page
    for one in files:
        body = one[one.index("\nclass ") :]
        assert sum(bool(line.strip()) for line in body.splitlines()) <= 30
    components = tuple(tomllib.loads((folder / "rollq.toml").read_text())["components"])
    knows = replace(backend, settings=backend.settings.model_copy(update={"components": components}))
    trained = enqueue_plan(plan_template(folder / "own.yaml", knows.settings), knows)
    found = TrainerR(trained.pool, backend=knows).wait_gathered(trained, timeout=60)
    assert found.result["version"] == 1


def test_metrics() -> None:
    (block,) = blocks("docs/reference/metrics.md")
    champion, challenger, label = predictions(1), predictions(2), predictions(3)
    names = run(block, {"champion": champion, "challenger": challenger, "label": label})
    assert set(names["found"].difference) >= {"Rank IC"}


def test_tracking(here: Path) -> None:
    (block,) = blocks("docs/reference/tracking.md")
    given = predictions(1)
    pd.testing.assert_series_equal(
        run(block, {"predictions": given}, experiment="page of tracking")["predictions"], given
    )


def test_ensembles(here: Path, backend: Backend) -> None:
    work_through(backend, "page-of-ensembles")  # the run of the round's signals is in the same experiment
    (block,) = blocks("docs/concepts/ensembles.md")
    names = run(block, {}, experiment="page-of-ensembles")
    assert len(names["windows"]) == 3
    assert names["signal"].index.is_unique


def test_update_predictions(here: Path, backend: Backend) -> None:
    work_through(backend, "sp500-small")
    pool = TaskManager("sp500-small", backend)
    first = next(iter(pool.query()))
    by_hand, as_task, increment, revised = blocks("docs/how-to/update-predictions.md")
    real = {"recorder": first["res"]["recorder_id"]}
    names = run(by_hand, {}, **real)
    names = run(as_task, {**names, "kwargs_of_the_models_task": first["def"]["dataset"]["kwargs"]}, **real)
    (ident,) = TaskManager("again", backend).create_task([names["definition"]])
    while (task := TaskManager("again", backend).re_query(ident)).status is not TaskState.DONE:
        TrainerR("again", backend=backend).work()
    assert len(run(increment, {**names, "task": task})["increment"].days) == 5
    assert run(revised, names)["changed_days"]


def test_keep_online(here: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    block, several = blocks("docs/how-to/keep-online.md")
    monkeypatch.setattr(rollq, "DelayTrainer", DelayTrainerR)  # there is no worker here
    late = {"train": ["2020-01-02", "2021-12-31"], "valid": ["2022-01-03", "2022-06-30"], "test": ["2022-09-01", None]}
    write_template(here, "kept", late, begin="2022-12-27")
    assert run(block, {})["manager"].get_signals().index.is_unique
    assert len(run(several, {})["strategy"].first_tasks()) > len(run(several, {})["strategy"].members) == 2


def test_simulate(here: Path) -> None:
    (block,) = blocks("docs/how-to/simulate.md")
    assert run(block, {})["online"]["session"] > "2020-03-01"


def predictions(seed: int) -> pd.Series:
    """Scores of ten instruments on sixty days."""
    days = pd.bdate_range("2024-01-02", periods=60)
    index = pd.MultiIndex.from_product([days, list("ABCDEFGHIJ")], names=["datetime", "instrument"])
    return pd.Series(np.random.default_rng(seed).normal(size=len(index)), index, name="score")


def write_template(folder: Path, name: str, segments: object = SEGMENTS, begin: str = "2019-12-27") -> Path:
    """The small example under another name and with fewer windows."""
    content = yaml.safe_load((ROOT / SMALL).read_text())
    content["dataset"]["kwargs"] |= {"path": str(ROOT / "examples/sp500/prices_small.parquet"), "segments": segments}
    path = folder / "template.yaml"
    path.write_text(yaml.safe_dump({**content, "name": name, "online": {"begin": begin}}))
    return path


def work_through(backend: Backend, name: str) -> None:
    """Train all windows of the small example, in an experiment of this name."""
    opened = enqueue_plan(plan_template(write_template(Path(), name), load_settings()), backend)
    TrainerR(opened.pool, backend=backend).wait_gathered(opened, timeout=120)
