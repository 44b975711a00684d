"""rollq simulate as a user meets it: the table, the JSON, the page; and once more, when there is nothing left to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from rollq.online.manager import OnlineManager
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.routine.registration import register_strategy
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.simulation.data import Coverage
from rollq.simulation.plan import plan_simulation, refuse_others
from rollq.simulation.runner import Request, run_simulation
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import Settings, worker_environment
from rollq.tasks.errors import StateError
from tests.acceptance.test_command_line import run
from tests.conftest import EXAMPLES
from tests.unit.rollq.simulation.test_report import tables

MODELS = {
    "trees": {"class": "LGBModel", "kwargs": {"num_boost_round": 5, "min_data_in_leaf": 20}},
    "line": {"class": "RidgeModel"},
}
PRICES = EXAMPLES / "prices_small.parquet"
RANGE = ("--from", "2022-10-31", "--to", "2022-12-28")  # to the last session: the last labels are not known
METRICS = ("IC", "ICIR", "Rank IC", "Rank ICIR")


def template(folder: Path, name: str, **changes: Any) -> str:
    content = {
        "name": name,
        "model": MODELS.get(name, MODELS["line"]),
        "dataset": {
            "class": "PanelDataset",
            "kwargs": {
                "path": str(PRICES),
                "features": [{"op": "momentum", "windows": [5, 20]}, {"op": "volatility", "windows": [5, 20]}],
                "label": {"op": "forward_return", "horizon": 5, "start": 1},
                "segments": {
                    "train": ["2021-01-04", "2022-06-30"],
                    "valid": ["2022-07-01", "2022-10-28"],
                    "test": ["2022-10-31", None],
                },
            },
        },
        "record": [{"class": "SignalRecord"}],
        "rolling": {"kwargs": {"step": 10, "rtype": "sliding", "trunc_days": 7, "purge": 6}},
        **changes,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def coefficients(signals: pd.DataFrame, method: str) -> pd.Series:
    """By day, straight from the prices, by pandas alone."""
    prices = pd.read_parquet(PRICES).pivot(index="datetime", columns="instrument", values="close").astype(float)
    returns = (prices.shift(-6) / prices.shift(-1) - 1).stack()
    pairs = pd.DataFrame({"score": signals["score"], "label": returns}).dropna()
    return pairs.groupby(level="datetime").apply(lambda day: day["score"].corr(day["label"], method=method))


def state_of(backend: Backend) -> dict[str, list[Any]]:
    """Everything in the store that a simulation writes."""
    names = ("online_sets", "signals", "rounds", "tasks", "strategies", "online_managers", "predictions")
    return {name: sorted(backend.store.collection(name).find(), key=lambda one: str(one["_id"])) for name in names}


def environment(settings: Settings) -> Mapping[str, str]:
    return {name: value for name, value in worker_environment(settings).items() if name.startswith(("ROLLQ", "MLFLOW"))}


def test_a_simulation_and_the_same_once_more(backend: Backend, settings: Settings, tmp_path: Path) -> None:
    env = dict(environment(settings))
    page = tmp_path / "page.html"
    templates = [template(tmp_path, "trees"), template(tmp_path, "line")]
    first = run("simulate", *templates, *RANGE, "--here", "--report", str(page), cwd=tmp_path, env=env)
    assert first.returncode == 0, first.stderr
    before, shown = state_of(backend), tables(page)
    assert len(before["online_sets"]) == 10  # 41 sessions, 10 for each window, two strategies
    assert str(page) in first.stdout

    request = Request([Path(path) for path in templates], RANGE[1], RANGE[3], here=True, report=page)
    again = run_simulation(settings, request, lambda _: None, lambda *_: None)
    result = json.loads(json.dumps(again.to_dict()))
    assert result["trained"] == 0
    assert state_of(backend) == before
    assert tables(page) == shown
    assert result["seconds"]["training"] + result["seconds"]["publishing"] < 10

    tracks = [*result["strategies"], result["ensemble"]]
    assert [track["label"] for track in tracks] == ["trees", "line", "ensemble"]
    measured = {row[0]: row[1:] for row in shown["How good the signals were"][1:]}
    months = shown["Month by month"]
    for track in tracks:
        signals = SignalLedger(backend).read(track["name"])
        daily = coefficients(signals, "spearman")
        assert track["metrics"]["IC"] == pytest.approx(coefficients(signals, "pearson").mean(), rel=1e-4)
        assert track["metrics"]["Rank IC"] == pytest.approx(daily.mean())
        assert track["metrics"]["Rank ICIR"] == pytest.approx(daily.mean() / daily.std())
        assert (track["sessions"], track["measured_sessions"], track["holes"]) == (41, 35, [])
        line = [f"{track['metrics'][name]:.4f}" for name in METRICS]
        assert [cell.replace("−", "-") for cell in measured[track["label"]][:4]] == line
        assert all(value in first.stdout for value in line)
        november = daily[daily.index.strftime("%Y-%m") == "2022-11"].mean()
        row = next(row for row in months if row[0] == "2022-11")
        place = months[0].index(f"Rank IC, {track['label']}")
        assert float(row[place].replace("−", "-")) == pytest.approx(november, abs=6e-5)
    assert [track["models"] for track in tracks] == [5, 5, None]

    history = OnlineSets(backend.store).history(tracks[0]["name"])
    versions = [[str(online.version), online.session] for online in history]
    assert [row[1:3] for row in shown["Ledger"] if row[0] == "trees"] == versions


def interrupt(phase: str) -> None:
    if phase.startswith("planned up to 2022-12"):
        raise KeyboardInterrupt


def test_one_that_was_stopped_goes_on(backend: Backend, settings: Settings, tmp_path: Path) -> None:
    path = Path(template(tmp_path, "line"))
    request = Request([path], "2022-11-14", "2022-12-28", name="slow", here=True, report=tmp_path / "page.html")
    with pytest.raises(KeyboardInterrupt):
        run_simulation(settings, request, interrupt, lambda *_: None)
    request = replace(request, serial=True)  # what was registered for later is trained all the same
    with pytest.raises(StateError, match=r"not finished after 0\.001 s"):
        run_simulation(settings, replace(request, timeout=0.001), lambda _: None, lambda *_: None)
    done = run_simulation(settings, request, lambda _: None, lambda *_: None)
    assert done.online.tracks[0].coverage == Coverage(31, 31, ())
    assert [row.version for row in done.online.tracks[0].ledger] == [1, 2, 3, 4]
    assert done.online.ensemble is None


def test_a_name_belongs_to_one_simulation(backend: Backend, settings: Settings, tmp_path: Path) -> None:
    path = Path(template(tmp_path, "line"))
    begin, end = RANGE[1], RANGE[3]
    planned = plan_simulation([path], settings, begin, end, "mine")
    refuse_others(backend, planned)
    register_strategy(backend, planned.strategies[0], "test", begin=begin)
    refuse_others(backend, planned)
    with pytest.raises(StateError, match=f"another first session, {begin}"):
        refuse_others(backend, plan_simulation([path], settings, "2022-11-01", end, "mine"))
    OnlineManager(planned.strategies, begin_time=begin, backend=backend, name="mine")
    with pytest.raises(StateError, match=r"a simulation of mine\.line"):
        refuse_others(backend, plan_simulation([Path(template(tmp_path, "curve"))], settings, begin, end, "mine"))
    template(tmp_path, "line", model={"class": "RidgeModel", "kwargs": {"alpha": 2.0}})
    with pytest.raises(StateError, match="another template"):
        refuse_others(backend, plan_simulation([path], settings, begin, end, "mine"))


def test_bad_input_starts_nothing(tmp_path: Path) -> None:
    path = template(tmp_path, "line")
    env = {"ROLLQ_STATE_DIR": str(tmp_path / "state")}
    found = run("simulate", path, "--from", "2023-01-01", "--to", "2022-12-01", cwd=tmp_path, env=env)
    assert (found.returncode, "Traceback" in found.stderr, found.stdout) == (2, False, "")
    assert "no session from 2023-01-01 to 2022-12-01" in found.stderr
    assert "Fix: " in found.stderr
    assert not (tmp_path / "state" / "mongo").exists()
