"""Enqueuing a template: from a YAML file to a round of rolling tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.settings import Settings
from tasks.task import Definition
from tasks.template import load_template

if TYPE_CHECKING:
    from scheduler.trainers import TrainedRound
    from tasks.backend import Backend


@dataclass(frozen=True)
class TemplatePlan:
    """A checked template, cut into windows."""

    name: str
    definitions: tuple[Definition, ...]
    sessions: tuple[str, ...]


def plan_template(path: Path, settings: Settings) -> TemplatePlan:
    """Check a template against its data and cut it.

    Raises:
        BadInput: something is wrong with it; the message names the key and the fix.
    """
    template = load_template(path, settings)
    windows = template.windows(settings)
    return TemplatePlan(template.name, windows.definitions, windows.sessions)


def enqueue_template(plan: TemplatePlan, backend: Backend, pool: str | None = None) -> TrainedRound:
    """Open a round for a plan.

    Raises:
        Unavailable: the store does not answer.
    """
    from scheduler.trainers import Trainer

    trainer = Trainer(backend, pool or plan.name)
    return trainer.train(plan.definitions, {"strategy": plan.name, "sessions": list(plan.sessions)})
