"""Rounds whose tasks are done at once by nobody: tiny predictions in MLflow, and a note of what belongs together."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta

import pandas as pd

from rollq.scheduler.online.online_set import OnlineSet
from rollq.tasks.backend import Backend
from rollq.tasks.definition import Definition
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rounds.purpose import Serve
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment

STRATEGY = POOL = "promotions"
CHALLENGERS = ("ridge", "forest")
NOTES = "whole_sets"  # a collection of the tests: what each round is made of
DAYS = 2  # of a window
INSTRUMENTS = ("A", "B", "C")

Whole = Mapping[str, list[list[str]]]  # by variant: [task, run] of each model


def make_round(backend: Backend, number: int, chance: random.Random) -> str:
    """Open a round of some windows for the strategy and its challengers, all of them DONE; returns its id.

    What a whole set of it consists of is written down before it can be put online.
    """
    windows = [_window(number, position) for position in range(chance.randint(1, 4))]
    variants = [BASE, *CHALLENGERS]
    definitions = [_definition(number, variant, window) for variant in variants for window in windows]
    experiment = MLflowExperiment.open(POOL, backend.settings.mlflow_uri)
    ids = backend.tasks.create_tasks(POOL, definitions).ids
    runs = {ident: _run(experiment, found, number) for ident, found in zip(ids, definitions, strict=True)}
    sessions = sorted(day for window in windows for day in window)
    # As the daily routine does; otherwise the coordinator publishes the signals itself.
    session = sessions[0] if chance.random() < 0.5 else ""
    opened = backend.rounds.create(POOL, ids, Serve(STRATEGY, tuple(sessions), session))
    backend.tasks.join_round(ids, opened)
    whole: dict[str, list[list[str]]] = {variant: [] for variant in variants}
    for ident, definition in zip(ids, definitions, strict=True):
        whole[definition.get("variant", BASE)].append([ident, runs[ident]])
    backend.store.collection(NOTES).insert_one({"_id": opened, "variants": whole})
    while claim := backend.tasks.claim(POOL, "nobody"):
        backend.tasks.commit(claim, {"recorder_id": runs[claim.task_id]})
    return opened


def fault(online: OnlineSet, whole: Whole | None) -> str:
    """What is wrong with a set, if it is not exactly the models of one round; empty if nothing is."""
    if whole is None:
        return f"version {online.version} is of a round that nobody opened: {online.round_id}"
    found = {online.champion: online.models, **online.challengers}
    if set(found) != set(whole):
        return f"version {online.version} has the variants {sorted(found)}, its round {sorted(whole)}"
    for variant, models in found.items():
        if sorted([model.task_id, model.recorder_id] for model in models) != sorted(map(list, whole[variant])):
            return f"version {online.version}: {variant} is not exactly what round {online.round_id} made"
    return ""


def _window(number: int, position: int) -> list[str]:
    first = date(2020, 1, 1) + timedelta(days=8 * number + DAYS * position)
    return [f"{first + timedelta(days=day)}" for day in range(DAYS)]


def _definition(number: int, variant: str, window: list[str]) -> Definition:
    segments = {"train": ["2019-01-01", "2019-12-31"], "test": [window[0], window[-1]]}
    made: Definition = {
        "model": {"class": variant.title(), "kwargs": {"round": number}},
        "dataset": {"class": "PanelDataset", "kwargs": {"segments": segments}},
        "record": [],
    }
    return made if variant == BASE else {**made, "variant": variant}


def _run(experiment: MLflowExperiment, definition: Definition, number: int) -> str:
    """A finished run with tiny predictions; returns its id."""
    start, end = definition["dataset"]["kwargs"]["segments"]["test"]
    days = pd.date_range(start, end)
    index = pd.MultiIndex.from_product([days, INSTRUMENTS], names=["datetime", "instrument"])
    recorder = experiment.create_recorder("made", start=True)
    recorder.save_objects(**{"pred.parquet": pd.DataFrame({"score": float(number)}, index=index)})
    recorder.end_run("FINISHED")
    return recorder.id
