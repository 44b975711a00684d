"""A template that a program writes: tasks as Qlib's users write them, and the generator that they roll with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import KWARGS, RECORD, ROLLING, TEST, kwargs_of, segments_of
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.calendar import TimeAdjuster
from rollq.tasks.rolling.generator import RollingGen
from rollq.tasks.rolling.generator_config import component_of
from rollq.tasks.rolling.model_identity import model_identity
from rollq.tasks.rolling.template import PYTHON_ONLY, Template, checked_template

TaskTemplate = Mapping[str, object] | Sequence[Mapping[str, object]] | Template


def as_template(name: str, given: TaskTemplate, generator: RollingGen | None, settings: Settings) -> Template:
    """The template of what a program gives as one: a template, a task, or several. Raises as ``template_of``."""
    if isinstance(given, Template):
        if generator is not None:
            raise TemplateError("the template says how it rolls.", "Leave rolling_gen out.", "rolling_gen")
        return given
    if generator is None:
        raise TemplateError("nothing says how the tasks roll.", "Give RollingGen(step, rtype).", "rolling_gen")
    return template_of(name, [given] if isinstance(given, Mapping) else list(given), generator, settings)


def template_of(
    name: str, tasks: Sequence[Mapping[str, object]], generator: RollingGen, settings: Settings
) -> Template:
    """The template of one task, or of several whose models serve together, as a program writes them.

    Args:
        name: of the template.
        tasks: ``{model, dataset, record}``, each with the keys that a template file may have beside ``rolling``. Their
            paths are seen from the current folder.
        generator: how they roll.

    Raises:
        TemplateError, ComponentError, SegmentError: as ``load_template``; two tasks are the same or predict other
            sessions, or there are challengers beside several tasks.
    """
    if not tasks:
        raise TemplateError("there is no task to roll.", "Give {model, dataset, record}, or several.", "task_template")
    rolling = component_of(generator)
    plain = {**rolling, KWARGS: {key: value for key, value in kwargs_of(rolling).items() if key not in PYTHON_ONLY}}
    place = Path.cwd() / name  # of the file that there is not
    made = [checked_template({**_listed(task), "name": name, ROLLING: plain}, place, settings) for task in tasks]
    first = replace(made[0], rolling=rolling, folder=None)
    if len(made) == 1:
        return first
    members = {model_identity(one.definition): one.definition for one in made}
    if len(members) < len(made):
        raise TemplateError("two of the tasks are the same.", "Leave one of them out.", "task_template")
    if len({segments_of(definition)[TEST] for definition in members.values()}) > 1:
        raise TemplateError("the tasks have other test segments.", "Give all of them the same one.", "task_template")
    if any(one.per or one.horizons for one in made):
        raise TemplateError(
            "several tasks serve together, and one of them is several models.",
            "Give one task with per or several horizons, or several tasks without.",
            "task_template",
        )
    if any(one.online.challengers for one in made):
        raise TemplateError("several tasks serve together.", "Give one task, or no challengers.", "online.challengers")
    return replace(first, members=members)


def _listed(task: object) -> dict[str, object]:
    """A task whose records are a list, as Qlib takes one alone, too."""
    if not isinstance(task, Mapping):
        raise TemplateError(f"{type(task).__name__} is no task.", "Give {model, dataset, record}.", "task_template")
    record = task.get(RECORD)
    return {**task, RECORD: [record]} if isinstance(record, Mapping) else dict(task)


def check_calendar(calendar: TimeAdjuster, sessions: Sequence[str]) -> None:
    """Refuse a calendar that is not that of the data: windows are cut on the sessions that a model can see.

    Raises:
        TemplateError: it is another one.
    """
    days = [f"{day:%Y-%m-%d}" for day in calendar.cals]
    first, last = max(days[0], sessions[0]), min(days[-1], sessions[-1])
    # Where both know something: the calendar may begin earlier, and know coming sessions.
    if other := sorted(
        {day for day in days if first <= day <= last} ^ {day for day in sessions if first <= day <= last}
    ):
        raise TemplateError(
            f"its calendar is not that of the data: {other[0]} is in one of them alone.",
            "Leave the calendar out: a strategy rolls on the sessions of its data.",
            "rolling_gen.calendar",
        )
