"""Enqueuing a template: from a YAML file to a round of rolling tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rollq.scheduler.strategies.plan import Plan
from rollq.scheduler.strategies.rolling import RollingStrategy
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import CLASS, DATASET, KWARGS, MODEL, Definition
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.cutter import WindowCutter
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rolling.task_options import TaskOptions
from rollq.tasks.rolling.template import Template, load_template
from rollq.tasks.rolling.template_names import check_name
from rollq.tasks.rounds.purpose import Research
from rollq.tasks.rounds.rounds import needed

if TYPE_CHECKING:
    from rollq.scheduler.rounds.trained_round import TrainedRound
    from rollq.scheduler.rounds.trainers import Trainer
    from rollq.tasks.backend import Backend


def load_strategy(
    path: Path,
    settings: Settings,
    name: str | None = None,
    accept: Sequence[str] = (),
    step: int | str | None = None,
    rtype: str | None = None,
) -> RollingStrategy:
    """The strategy that a template describes; its name is by default the template's.

    Args:
        accept: odd sessions of its data that are taken as they are.
        step, rtype: how it rolls; None: as the template says.

    Raises:
        BadInput: something is wrong with it; the message names the key and the fix.
    """
    template = load_template(path, settings, step, rtype).accepting(accept)
    return RollingStrategy.of_template(template, settings, name)


def plan_template(path: Path, settings: Settings) -> Plan:
    """Check a template against its data and cut it into windows.

    Raises:
        BadInput: as ``load_strategy``.
    """
    return load_strategy(path, settings).plan()


def windows_of(definition: Definition, settings: Settings, step: str, rtype: str | None = None) -> list[Definition]:
    """The windows of a definition that stands in no template. Its labels stay out of their test segments.

    Args:
        step, rtype: how it rolls, as on the command line; without ``rtype`` as ``RollingGen`` does by itself.

    Raises:
        TemplateError: a part or a segment is missing.
        BadInput: as ``load_strategy``.
    """
    for part in (MODEL, DATASET):
        if part not in definition:
            raise TemplateError("it is missing.", f"A window needs {MODEL} and {DATASET}.", part)
    given: dict[str, object] = {"step": int(step) if step.isdigit() else step}
    given |= {} if rtype is None else {"rtype": rtype}
    # A cutter that does not know how it rolls finds out how far labels look ahead.
    ahead = WindowCutter(Template("", definition, {}), settings).dataset.label_lookahead
    rolling = {CLASS: "RollingGen", KWARGS: {**given, "trunc_days": ahead + 1} if ahead else given}
    return list(WindowCutter(Template("", definition, rolling), settings).all().definitions)


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
    trainer = _trainer(backend, pool or plan.strategy, policy, len(plan.definitions))
    options: TaskOptions = {**plan.options, "priority": priority}
    # `once`: enqueuing the same template again finds its round, instead of making another version of the same models.
    return trainer.open_round(plan.definitions, plan.purpose, policy, options, after, force=force, once=True)


def enqueue_research(
    strategy: RollingStrategy,
    backend: Backend,
    pool: str | None = None,
    policy: str = "all",
    after: Sequence[str] = (),
    priority: int = 0,
    force: bool = False,
    leave_out: Collection[str] = (),
) -> dict[str, TrainedRound]:
    """Open a round of research for the template's own model and one for each of its challengers, by their names.

    They put nothing online. Arguments and errors are those of ``enqueue_plan``.

    Args:
        leave_out: models that are not trained: ``base`` is the template's own.
    """
    opened = {}
    for variant, plan in strategy.research_plans().items():
        if variant in leave_out:
            continue
        name = strategy.name if variant == BASE else f"{strategy.name}:{variant}"
        trainer = _trainer(backend, pool or strategy.pool, policy, len(plan.definitions))
        lookahead = strategy.dataset_of(variant).label_lookahead
        purpose = Research(plan.strategy, plan.sessions, name, lookahead, plan.members)
        options: TaskOptions = {**plan.options, "priority": priority}
        opened[name] = trainer.open_round(plan.definitions, purpose, policy, options, after, force=force, once=True)
    return opened


def _trainer(backend: Backend, pool: str, policy: str, windows: int) -> Trainer:
    """The trainer of a pool; wrong names and policies are refused before anything is created."""
    from rollq.scheduler.rounds.trainers import Trainer

    check_name(pool, "--pool")
    # Its answer is not needed; a wrong policy is an error here, before a task exists.
    needed(policy, windows)
    return Trainer(pool, backend=backend)
