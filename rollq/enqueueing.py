"""Enqueuing a template: from a YAML file to a round of rolling tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scheduler.strategies import Plan, RollingStrategy
from tasks.rounds import needed
from tasks.settings import Settings
from tasks.template import check_name, load_template

if TYPE_CHECKING:
    from scheduler.trainers import TrainedRound
    from tasks.backend import Backend


def load_strategy(
    path: Path, settings: Settings, name: str | None = None, accept: Sequence[str] = ()
) -> RollingStrategy:
    """The strategy that a template describes; its name is by default the template's.

    Args:
        accept: odd sessions of its data that are taken as they are.

    Raises:
        BadInput: something is wrong with it; the message names the key and the fix.
    """
    return RollingStrategy(load_template(path, settings).accepting(accept), settings, name)


def plan_template(path: Path, settings: Settings) -> Plan:
    """Check a template against its data and cut it into windows.

    Raises:
        BadInput: as ``load_strategy``.
    """
    return load_strategy(path, settings).first_tasks()


def enqueue_plan(
    plan: Plan,
    backend: Backend,
    pool: str | None = None,
    policy: str = "all",
    after: Sequence[str] = (),
    priority: int = 0,
    force: bool = False,
) -> TrainedRound:
    """Open a round for a plan; the pool is by default the strategy's name.

    Args:
        policy: how many windows must be DONE: ``all``, a fraction such as ``0.9``, or ``best_effort``.
        after: rounds that must be gathered first.
        priority: of the new tasks; higher is sooner.
        force: windows whose tasks are finished already are trained again.

    Raises:
        TemplateError: the pool's name is not possible.
        SettingsError: the policy is unknown.
        NotFound: there is no round that this one could wait for.
        Unavailable: the store does not answer.
    """
    if pool is not None:
        check_name(pool, "--pool")
    from scheduler.trainers import Trainer

    trainer = Trainer(backend, pool or plan.strategy)
    needed(policy, len(plan.definitions))  # a wrong policy is refused before anything is created
    options = {**plan.options, "priority": priority}
    return trainer.train(plan.definitions, plan.purpose, policy, options, after, force=force)
