"""Task templates: the YAML that a user writes, checked as a whole before anything is enqueued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rollq.tasks.components.app_dir import add_app_dir
from rollq.tasks.components.default_records import default_records
from rollq.tasks.components.registry import build, check_kwargs, did_you_mean, resolve
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    CHECKS,
    CLASS,
    DATASET,
    KWARGS,
    MODEL,
    PARTS,
    RECORD,
    ROLLING,
    TEST,
    Component,
    Definition,
    class_of,
    component,
    dataset_kwargs,
    kwargs_of,
    parts_of,
    records_of,
    segments_of,
    with_dataset_kwargs,
)
from rollq.tasks.errors import BadInput, TemplateError
from rollq.tasks.files.paths import folder_of
from rollq.tasks.files.user_file import read_yaml
from rollq.tasks.identity import canonical
from rollq.tasks.rolling.calendar import TimeAdjuster
from rollq.tasks.rolling.data_checks import check_accepted, with_accepted
from rollq.tasks.rolling.dataset.checks import add_checks
from rollq.tasks.rolling.dataset.places import with_absolute_places
from rollq.tasks.rolling.members.checks import check_members
from rollq.tasks.rolling.members.horizons import Horizon, horizons_of, with_horizon
from rollq.tasks.rolling.members.per import KEY as PER
from rollq.tasks.rolling.members.per import Per
from rollq.tasks.rolling.online_options import BASE, Challenger, OnlineOptions
from rollq.tasks.rolling.segment_checks import check_segments
from rollq.tasks.rolling.task_options import TaskOptions, task_options
from rollq.tasks.rolling.template_names import check_name
from rollq.tasks.rolling.workflow_file import is_workflow, refuse_placeholders, template_of_workflow, with_rolling

REQUIRED = {*PARTS, ROLLING}
KEYS = frozenset(REQUIRED) | {"name", "queue", "resources", "time_limit", "online", CHECKS, PER}
OURS = "rollq"  # the package of classes that can be made without a recorder, to see whether they refuse values
ASIDE = "x-"  # keys that begin so are the user's own: a place for anchors
WARM = "warm_starts"  # of a model class: its ``fit`` takes an ``init_model``
PYTHON_ONLY = {"calendar", "task_copy_func", "ds_extra_mod_func", "test_key", "train_key"}
ANY_SESSION = ("2000-01-03",)  # a generator is made to see whether it takes its kwargs, before the data are read
ROLES = {  # what a class has that can stand there, and one that has it
    MODEL: ("fit", "LGBModel"),
    DATASET: ("prepare", "PanelDataset"),
    RECORD: ("generate", "SignalRecord"),
    ROLLING: ("generate", "RollingGen"),
}
RECORD_PARAMETERS = {"recorder": None, MODEL: None, DATASET: None}  # given by the worker, not by the template


@dataclass(frozen=True)
class Template:
    """A checked template. ``definition`` is ``{model, dataset, record}`` with absolute paths.

    ``options`` say how its tasks are to be run, and are no part of what they are: keywords of ``create_tasks``.
    ``members`` are the models that serve together, by name, where there are several; ``definition`` is the first one's.
    ``per`` and ``horizons`` say that there is one for each value of a column, and for each horizon of the label: which
    they are is known once the data are read; ``definition`` is of all values, and of the first horizon.
    ``folder`` is that of its file, if it was read from one.
    """

    name: str
    definition: Definition
    rolling: Component
    options: TaskOptions = field(default_factory=TaskOptions)
    online: OnlineOptions = field(default_factory=OnlineOptions)
    challengers: Mapping[str, Definition] = field(default_factory=dict)
    members: Mapping[str, Definition] = field(default_factory=dict)
    per: Per | None = None
    horizons: tuple[Horizon, ...] = ()
    folder: Path | None = field(default=None, compare=False)

    @property
    def models(self) -> dict[str, Definition]:
        """The definitions that are trained side by side, by name: the members, or the template's own and those of its
        challengers.
        """
        return dict(self.members) or {BASE: self.definition, **self.challengers}

    def accepting(self, sessions: Iterable[str]) -> Template:
        """The same template, in which odd sessions are accepted: ``YYYY-MM-DD``, or ``YYYY-MM-DD:check``.

        Raises:
            TemplateError: one of them is something else.
        """
        more = check_accepted(list(sessions), "--accept")

        def accepting(definition: Definition) -> Definition:
            section = with_accepted(dataset_kwargs(definition).get(CHECKS), more)
            return definition if section is None else with_dataset_kwargs(definition, **{CHECKS: section})

        challengers = {name: accepting(definition) for name, definition in self.challengers.items()}
        members = {name: accepting(definition) for name, definition in self.members.items()}
        made = replace(self, definition=accepting(self.definition), challengers=challengers, members=members)
        return made if more else self

    def to_config(self) -> dict[str, object]:
        """JSON-able; ``of_config`` reads it."""
        names = ("name", "definition", "rolling", "options")
        rest: dict[str, object] = {"online": self.online.to_dict(), "challengers": dict(self.challengers)}
        several = {"members": dict(self.members), PER: self.per and self.per.to_dict(), "horizons": self.horizons}
        rest |= {name: one for name, one in several.items() if one}
        return canonical({**{name: getattr(self, name) for name in names}, **rest})  # type: ignore[no-any-return]

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Template:
        """The template that ``to_config`` wrote.

        Raises:
            TemplateError: it cannot be read.
        """
        try:
            parts = {"online": OnlineOptions.of(config["online"]), PER: Per.of(config.get(PER))}
            return cls(**{**config, **parts, "horizons": tuple(config.get("horizons", ()))})
        except (TypeError, KeyError) as error:
            raise TemplateError(f"It cannot be read ({error}).", "Put the strategy online anew.") from None


def load_template(path: Path, settings: Settings, step: int | str | None = None, rtype: str | None = None) -> Template:
    """Read a template, or a workflow file of Qlib's, and check its form and its components; ``WindowCutter`` checks it
    against its data.

    Args:
        path: of the file.
        settings: say which own classes it may name.
        step, rtype: of ``rolling.kwargs``; None: as the file says.

    Raises:
        TemplateError: there is no such file, it is not YAML, or a key is missing, misspelt or of the wrong form.
        ComponentError: a class is not registered, or a keyword of one is wrong.
        SegmentError: segments are missing, reversed, or overlap; or a bound is no date.
    """
    refuse_placeholders(path)
    file = read_yaml(path)
    # A class of the user's own may lie beside the template.
    add_app_dir(path.parent)
    with file.placed():
        content = with_rolling(file.content, step, rtype)
        if isinstance(content, Mapping) and is_workflow(content):
            content = template_of_workflow(content, path, KEYS)
        return checked_template(content, path, settings)


def checked_template(written: object, path: Path, settings: Settings) -> Template:
    """The template that a file holds, once every key, class and keyword of it was looked at. Raises as above."""
    if not isinstance(written, dict):
        raise TemplateError("A template is a mapping.", f"It has the keys {', '.join(sorted(KEYS))}.")
    content = {name: value for name, value in written.items() if not name.startswith(ASIDE)}
    _check_keys(content)
    folder, online = folder_of(path), OnlineOptions.of(content.get("online"))
    horizons, per = horizons_of(content), Per.of(content.get(PER))
    definition, *_ = [
        _checked_definition(one, folder, settings) for one in [with_horizon(content, h) for h in horizons] or [content]
    ]
    check_members(definition, per, horizons, online.challengers, settings)
    # The class may be left out: nearly all templates roll with this one.
    rolling = {**component("RollingGen"), **content[ROLLING]}
    generator = _resolved(rolling, ROLLING, ROLLING, settings)
    check_kwargs(generator, {"calendar": None, **kwargs_of(rolling)}, f"{ROLLING}.{KWARGS}", PYTHON_ONLY)
    # Made and thrown away: only the generator itself knows whether its values are possible.
    build(rolling, ROLLING, settings.components, calendar=TimeAdjuster(ANY_SESSION))
    if online.warm_start and not getattr(resolve(definition[MODEL], MODEL, settings.components), WARM, False):
        raise TemplateError(
            f"a {class_of(definition[MODEL])} cannot start from another model.", "Leave it out.", "online.warm_start"
        )
    challengers = {
        one.name: _challenger(position, one, content, definition, folder, settings)
        for position, one in enumerate(online.challengers)
    }
    if online.promote:
        online.promote.check(better_of(definition, settings.components))
    name = content.get("name", path.stem)
    check_name(name, "name")
    options = task_options(content)
    return Template(name, definition, rolling, options, online, challengers, {}, per, horizons, folder)


def better_of(definition: Definition, components: tuple[str, ...]) -> dict[str, str]:
    """What is better of the metrics that the records of a definition declare, ``higher`` or ``lower``."""
    found: dict[str, str] = {}
    for key, config in records_of(definition):
        found |= dict(getattr(resolve(config, key, components), "better", {}))
    return found


def _challenger(
    position: int, one: Challenger, content: Mapping[str, object], base: Definition, folder: Path, settings: Settings
) -> Definition:
    """The definition of a challenger: the template's with its own parts, on the same test segment."""
    where = f"online.challengers[{position}]"
    try:
        made = _checked_definition({**content, **one.parts}, folder, settings)
    except BadInput as error:
        raise TemplateError(f"challenger {one.name!r}: {error.message}", error.fix, where) from None
    tests = [segments_of(definition).get(TEST) for definition in (base, made)]
    # Champion and challengers must predict the same sessions, or a comparison would compare days.
    if tests[0] != tests[1]:
        raise TemplateError(f"challenger {one.name!r} has another test segment.", "Give it the template's.", where)
    return made


def _checked_definition(content: Mapping[str, object], folder: Path, settings: Settings) -> Definition:
    """``{model, dataset, record}`` with absolute paths, every component known and every segment possible."""
    definition = with_absolute_places(canonical(parts_of({RECORD: [], **content})), folder)
    add_checks(definition, content, settings)
    for part in (MODEL, DATASET):
        cls = _resolved(definition[part], part, part, settings)
        check_kwargs(cls, kwargs_of(definition[part]), f"{part}.{KWARGS}")
    check_segments(definition)
    # Made to see whether they refuse values.
    made = {part: build(definition[part], part, settings.components) for part in (MODEL, DATASET)}
    if RECORD not in content:
        definition[RECORD] = default_records(getattr(made[DATASET], "label_kind", "return"))
    for key, config in records_of(definition):
        cls = _resolved(config, RECORD, key, settings)
        kwargs = kwargs_of(config)
        for name in RECORD_PARAMETERS.keys() & kwargs.keys():
            raise TemplateError("the worker gives it.", "Leave it out.", f"{key}.{KWARGS}.{name}")
        check_kwargs(cls, {**RECORD_PARAMETERS, **kwargs}, f"{key}.{KWARGS}", RECORD_PARAMETERS)
        if check := getattr(cls, "check_config", None):
            check(kwargs, f"{key}.{KWARGS}")
        elif cls.__module__.partition(".")[0] == OURS:  # one of the user's own may need what only a worker has
            build(config, key, settings.components, **RECORD_PARAMETERS)
    return definition


def _resolved(config: object, part: str, key: str, settings: Settings) -> type[object]:
    """The class that a component names, if it can stand where it does."""
    cls = resolve(config, key, settings.components)
    method, example = ROLES[part]
    if not hasattr(cls, method):
        fix = f"Name a class that has {method}(), such as {example}."
        noun = "generator" if part == ROLLING else part
        raise TemplateError(f"{cls.__name__} cannot be a {noun}.", fix, f"{key}.{CLASS}")
    return cls


def _check_keys(content: Mapping[str, object]) -> None:
    """Refuse keys that there are not, and parts that are missing or of the wrong form."""
    for name in content:
        if name not in KEYS:
            raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), KEYS), str(name))
    for name in sorted(REQUIRED - {RECORD}):
        if name not in content:
            raise TemplateError(f"the key {name!r} is missing.", "See docs/reference/template.md.", name)
    records, rolling = content.get(RECORD, [component("SignalRecord")]), content[ROLLING]
    if not isinstance(records, list):
        raise TemplateError(
            "'record' is a list of components.", "Write - class: ... under it, or leave it out.", RECORD
        )
    if not isinstance(rolling, Mapping):
        raise TemplateError("'rolling' is a mapping.", "Write kwargs: {step: 63, rtype: sliding} under it.", ROLLING)
    if not records:
        raise TemplateError("without a record there are no predictions.", "Add - class: SignalRecord.", RECORD)
    kwargs = rolling.get(KWARGS) or {}
    if not isinstance(kwargs, Mapping):
        raise TemplateError("'kwargs' must be a mapping.", "Write step: 63 and so on under it.", f"{ROLLING}.{KWARGS}")
    for name in PYTHON_ONLY & set(kwargs):
        key = f"{ROLLING}.{KWARGS}.{name}"
        raise TemplateError("it cannot be given in a template.", "Use RollingGen from Python.", key)
