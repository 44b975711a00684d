"""Warm start and refit cadence in the routine: each window goes on from the model of the one before."""

from __future__ import annotations

from pathlib import Path

from rollq import Backend, MLflowExperiment, Task
from rollq.scheduler.online.ledger import OnlineSets
from rollq.tasks.definition import segments_of
from rollq.trainers import DelayTrainerR, TrainerR
from tests.online_strategies import DAYS, LIVED, manager, sha256_of, template, write_prices


def windows(backend: Backend, pool: str) -> list[Task]:
    """The trained tasks in the order of their windows."""
    found = backend.tasks.find(pool, definitions=True)
    return sorted(found, key=lambda task: str(segments_of(task.definition)["test"][0]))


def trees(backend: Backend, task: Task) -> int:
    assert task.result
    experiment = MLflowExperiment.open(task.pool, backend.settings.mlflow_uri)
    recorder = experiment.get_recorder(task.result["recorder_id"])
    folder = Path(recorder.load_folder("model"))
    return sum((folder / name.name).read_text().count("\nTree=") for name in folder.glob("*.txt"))


def test_the_chain_of_a_delayed_simulation_is_that_of_life(backend: Backend, tmp_path: Path) -> None:
    path = write_prices(tmp_path / "prices.parquet")
    signals = []
    for name, trainer in (("warm simulated", DelayTrainerR), ("warm lived", TrainerR)):
        made = manager(backend, template(path, name, warm_start=True), trainer)
        if trainer is DelayTrainerR:
            made.simulate(LIVED[4], timeout=60)
        else:
            made.routine(LIVED[4], timeout=60)
        tasks = windows(backend, name)
        chain = [task.definition.get("init_model") for task in tasks]
        assert chain == [None, *({"pool": name, "task": task.id} for task in tasks[:-1])]
        assert [trees(backend, task) for task in tasks] == [5, 10, 15]  # each adds its five
        signals.append(sha256_of(made.get_signals(name), tmp_path))
    assert signals[0] == signals[1]


def test_refit_is_rarer_than_predictions(backend: Backend, tmp_path: Path) -> None:
    path = write_prices(tmp_path / "prices.parquet")
    made = manager(backend, template(path, "rare", refit_every=9))
    made.simulate(LIVED[-1], timeout=60)
    assert [one.session for one in OnlineSets(backend.store).history("rare")] == [LIVED[0], DAYS[54]]
    days = made.get_signals("rare").index.get_level_values("datetime").unique()
    assert [f"{day:%Y-%m-%d}" for day in days] == DAYS[45:62]
