"""Enqueuing a template: from a YAML file to a round of rolling tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scheduler.strategies import Plan, RollingStrategy
from tasks.settings import Settings
from tasks.template import check_name, load_template

if TYPE_CHECKING:
    from scheduler.trainers import TrainedRound
    from tasks.backend import Backend


def load_strategy(path: Path, settings: Settings) -> RollingStrategy:
    """The strategy that a template describes.

    Raises:
        BadInput: something is wrong with it; the message names the key and the fix.
    """
    return RollingStrategy(load_template(path, settings), settings)


def plan_template(path: Path, settings: Settings) -> Plan:
    """Check a template against its data and cut it into windows.

    Raises:
        BadInput: as ``load_strategy``.
    """
    return load_strategy(path, settings).first_tasks()


def enqueue_plan(plan: Plan, backend: Backend, pool: str | None = None) -> TrainedRound:
    """Open a round for a plan; the pool is by default the strategy's name.

    Raises:
        TemplateError: the pool's name is not possible.
        Unavailable: the store does not answer.
    """
    if pool is not None:
        check_name(pool, "--pool")
    from scheduler.trainers import Trainer

    trainer = Trainer(backend, pool or plan.strategy)
    return trainer.train(plan.definitions, plan.purpose, options=plan.options)
