"""Realistic definitions: the windows of ``examples/pse/lightgbm.yaml``, over and over with another seed."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import yaml

from benchmarks.bench import ROOT
from rollq.tasks.identity import canonical
from rollq.tasks.rolling.calendar import TimeAdjuster
from rollq.tasks.rolling.generator import RollingGen

TEMPLATE = ROOT / "examples" / "pse" / "lightgbm.yaml"


def windows() -> list[dict[str, Any]]:
    """The windows of the template on a calendar of business days, as the dicts that both systems take."""
    template = yaml.safe_load(TEMPLATE.read_text())
    options = template.pop("rolling")["kwargs"]
    calendar = TimeAdjuster(pd.bdate_range("2010-01-04", "2021-12-15"))
    generator = RollingGen(**options, calendar=calendar)
    return [canonical(task) for task in generator.generate(template)]


def realistic(count: int) -> list[dict[str, Any]]:
    """So many different definitions, about 1 kB each."""
    cut = windows()
    made = []
    for number in range(count):
        task = copy.deepcopy(cut[number % len(cut)])
        task["model"]["kwargs"]["seed"] = number // len(cut)
        made.append(task)
    return made
