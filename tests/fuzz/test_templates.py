"""Templates, definitions and generators that make no sense: refused with an error of rollq that says what is wrong."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rollq import Backend, BadInput, RollingGen, RollqError, TaskGen
from rollq.scheduler.rounds.trainers import Trainer
from rollq.tasks.config.settings import Settings
from rollq.tasks.resources import Resources
from rollq.tasks.rolling.cutter import WindowCutter
from rollq.tasks.rolling.template import Template, load_template
from rollq.tasks.rounds.purpose import Serve
from tests.conftest import EXAMPLES
from tests.fuzz.junk import CASES, SEED, allowed, deep, junk, mutated
from tests.pool_tasks import definition
from tests.small_tasks import BIZ30, Horizons, task_of

# What Python can give and JSON cannot hold.
FOREIGN: tuple[Any, ...] = (
    object(),
    {1, 2},
    b"bytes",
    "\ud800",
    {"\x00": 1},
    {1: "a", "1": "b"},
    2**70,
    complex(1, 2),
    pd.NaT,
    np.array([1, 2]),
    np.float64("nan"),
    deep(60),
    deep(200),
    deep(5_000),
    lambda: None,
    Path("x"),
)


def foreign(chance: random.Random) -> Any:
    return chance.choice(FOREIGN) if chance.random() < 0.3 else junk(chance)


def test_definitions_are_stored_or_refused(backend: Backend) -> None:
    chance = random.Random(SEED)
    stored = refused = 0
    names = ["pool", "x" * 200, "é", "", "\n", "\ud800", "x" * 201, None, 7]
    for number in range(CASES["definitions"]):
        wrong = mutated(definition(number), chance, foreign) if number % 10 else foreign(chance)
        options: dict[str, Any] = {}
        if number % 3 == 0:
            name = chance.choice(["priority", "queue", "requested", "time_limit"])
            options[name] = chance.choice([junk(chance), *names])
        pool: Any = chance.choice(names) if number % 7 == 0 else "pool"
        made = allowed(backend.tasks.create_tasks, pool, [wrong], **options)
        if isinstance(made, RollqError):
            refused += 1
            continue
        stored += 1
        assert backend.tasks.get(made.ids[0]).error is None, "what was stored is read as corrupted"
    assert stored > 100
    assert refused > 100
    backend.tasks.next_to_notify("pool", 64)
    while claimed := backend.tasks.claim("pool", "w"):
        backend.tasks.commit(claimed, {})


def test_a_trainer_opens_no_round_over_nonsense(backend: Backend) -> None:
    chance = random.Random(SEED)
    for number in range(60):
        trainer = Trainer("pool", backend=backend, **{chance.choice(["priority", "queue", "requested"]): junk(chance)})
        wrong, policy = mutated(definition(number), chance, foreign), chance.choice(["all", "0", "x", "nan"])
        allowed(trainer.open_round, [wrong], Serve(), policy=policy)
    assert all(found.policy == "all" for found in backend.rounds.find())


def test_a_trainer_calls_functions_only(backend: Backend) -> None:
    with pytest.raises(BadInput, match="cannot be called"):
        Trainer("pool", backend=backend).train([definition(1)], Serve())  # type: ignore[arg-type]


def test_templates_load_or_are_refused(settings: Settings, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    good = yaml.safe_load((EXAMPLES / "small.yaml").read_text())
    good["dataset"]["kwargs"]["path"] = str(EXAMPLES / "prices_small.parquet")
    path = tmp_path / "template.yaml"
    path.write_text(yaml.safe_dump(good))
    assert load_template(path, settings).name == "sp500-small"
    loaded = 0
    for number in range(CASES["templates"]):
        if number % 6 == 0:
            path.write_bytes(hurt_text(yaml.safe_dump(good), chance))
        else:
            path.write_text(yaml.safe_dump(mutated(good, chance), allow_unicode=True), errors="surrogateescape")
        template = allowed(load_template, path, settings)
        if isinstance(template, Template):
            loaded += 1
            if loaded < 40:
                allowed(WindowCutter(template, settings).all)
    assert loaded > 20


def hurt_text(text: str, chance: random.Random) -> bytes:
    found = bytearray(text.encode())
    for _ in range(chance.randint(1, 6)):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def test_generators_cut_or_refuse() -> None:
    chance = random.Random(SEED)
    options = ("step", "rtype", "trunc_days", "purge", "test_key", "train_key")
    made = 0
    for number in range(CASES["windows"]):
        template = task_of({"kwargs": {"fit_start_time": "2020-01-02", "end_time": "2020-01-31"}})
        wrong = mutated(template, chance, foreign) if number % 3 else copy.deepcopy(template)
        kwargs = {} if number % 2 else {chance.choice(options): foreign(chance)}
        generator = allowed(RollingGen, calendar=BIZ30, **kwargs) if number % 5 else Horizons(calendar=BIZ30)
        if isinstance(generator, TaskGen):
            made += isinstance(allowed(generator.generate, wrong), list)
    assert made > 50
    for _ in range(100):
        allowed(Resources.of, mutated({"cpu": 1, "gpu": 0, "mem_gb": 2.5}, chance, foreign))
