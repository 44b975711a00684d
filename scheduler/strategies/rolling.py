"""RollingStrategy: one task, or several whose models serve together, rolled over their range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, Unpack

from rollq.scheduler.collect.collectors import Processes
from rollq.scheduler.collect.groups import RollingGroup
from rollq.scheduler.collect.options import CollectorOptions, FilterFunc, KeyFunc, OtherOptions
from rollq.scheduler.collect.recorder_collector import RecorderCollector
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.chains import chained, warm_starts
from rollq.scheduler.strategies.latest import latest_planned
from rollq.scheduler.strategies.members import Members
from rollq.scheduler.strategies.plan import Latest, Plan, member_of, variant_of
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    CHECKS,
    DATASET,
    MEMBER,
    VARIANT,
    Component,
    Definition,
    dataset_kwargs,
    kwargs_of,
    paths_of,
    with_dataset_kwargs,
    with_kwargs,
    with_paths,
)
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.calendar import Time, timestamp
from rollq.tasks.rolling.cutter import WindowCutter, Windows
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.tasks.rolling.generator import RollingGen
from rollq.tasks.rolling.online_options import BASE, PromotionRule
from rollq.tasks.rolling.program_template import TaskTemplate, as_template, check_calendar
from rollq.tasks.rolling.segment_checks import check_segments
from rollq.tasks.rolling.template import Template
from rollq.tasks.rolling.template_names import check_name


class RollingStrategy(OnlineStrategy):
    """One task, rolled over its range; its challengers roll with it. Several tasks: their models serve together.

    Args:
        name_id: its name.
        task_template: ``{model, dataset, record}``; a list of them; or what ``load_template`` read.
        rolling_gen: how the tasks roll, on the sessions of their data; None where the template says it.
        pool: its task pool; by default its name.
        settings: say where data and own classes are; None: those of this process.

    Raises:
        TemplateError, ComponentError, SegmentError: a task or the generator cannot be used, or cannot be stored.
    """

    def __init__(
        self,
        name_id: str,
        task_template: TaskTemplate,
        rolling_gen: RollingGen | None = None,
        *,
        pool: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        """What other machines need is taken from the arguments here; what cannot be stored is refused at once."""
        check_name(name_id, "name_id")
        super().__init__(name_id)
        self._pool = pool or name_id
        self._own_settings = settings
        self.template = as_template(name_id, task_template, rolling_gen, self._settings)
        self._looked = self.template  # the template with what was accepted since
        self._calendar = rolling_gen.calendar if rolling_gen else None
        self._cutters: dict[str, WindowCutter] = {}
        self._members = Members(self._looked, self._cutter)

    @classmethod
    def of_template(
        cls, template: Template, settings: Settings, name: str | None = None, pool: str | None = None
    ) -> Self:
        """The strategy of a template that was checked by ``load_template``; its name is by default the template's."""
        return cls(name or template.name, template, pool=pool, settings=settings)

    def first_tasks(self) -> Sequence[Definition]:
        """The definitions of every window. Raises as ``plan``."""
        return self._all().definitions

    def prepare_tasks(self, cur_time: Time) -> Sequence[Definition]:
        """The definitions of the windows that are new at a time, after those that were planned or are online.

        Args:
            cur_time: None: on the last session of the data.

        Raises:
            Unavailable: the servers do not answer.
            TemplateError, SegmentError, DataError: as ``plan``.
        """
        sessions = self.sessions()
        session = sessions[-1] if cur_time is None else f"{timestamp(cur_time):%Y-%m-%d}"
        latest = self._latest or latest_planned(OnlineSets(self.backend.store).history(self.name), sessions)
        return self._due(session, latest, None).definitions

    @property
    def own_tasks(self) -> bool:
        """Whether the code of a subclass names the tasks."""
        own = type(self)
        return (
            own.first_tasks is not RollingStrategy.first_tasks or own.prepare_tasks is not RollingStrategy.prepare_tasks
        )

    def plan(
        self,
        session: str | None = None,
        latest: Latest | None = None,
        until: str | None = None,
        keywords: Mapping[str, object] | None = None,
    ) -> Plan:
        """Every window of the template; with a session, those that have begun by then and after the latest ones.

        A window is trained on the first session of its own test segment. Of a subclass with methods of its own: what
        they return.

        Raises:
            TemplateError, SegmentError, DataError: the template or its data cannot be used.
        """
        if self.own_tasks:
            return super().plan(session, latest, until, keywords)
        if session is None:
            return self._all()
        plan = self._due(session, latest or Latest(""), until)
        if latest is None and not plan.definitions:
            raise TemplateError(
                f"no window of {self.name!r} has begun by {session}.",
                "Begin later, or let the test segment start earlier.",
                "online.begin",
            )
        return plan

    def research_plans(self) -> dict[str, Plan]:
        """Every window of the template by model: its own and its challengers', or its members'; where these have roles,
        all of them are one. Raises as ``plan``.
        """
        if self.template.per or self.template.horizons:
            return {BASE: self._all()}
        return {name: self._plan({name: self._windows(name)}) for name in self.template.models}

    def sessions(self) -> Sequence[str]:
        """The sessions of the template's data."""
        return self._cutter(BASE).sessions

    @property
    def data_checks(self) -> DataChecks:
        """What the template says of odd sessions."""
        return DataChecks.of(dataset_kwargs(self._looked.definition).get(CHECKS))

    def accept(self, sessions: Iterable[str]) -> None:
        """Take odd sessions of its data as they are; the template stays what it is."""
        self._looked = self._looked.accepting(sessions)
        # They hold datasets, which were read with what was accepted before.
        self._cutters.clear()
        self._members = Members(self._looked, self._cutter)

    @property
    def promotion_rule(self) -> PromotionRule | None:
        """When a challenger becomes champion by itself; None: never."""
        return self.template.online.promote

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the models that serve together; empty if one serves alone."""
        return tuple(self._members.definitions)

    def serves_beside(self, model: OnlineModel) -> bool:
        """Whether a model that serves goes on beside what was trained: no data are asked for it."""
        role, per = model.role, self.template.per
        if not role.name:
            return model.member in self.template.members
        own = per.is_group(role.group) if per else not role.group
        return own and role.horizon in (map(str, self.template.horizons) if self.template.horizons else ("",))

    def days_of(self, name: str, days: Sequence[str]) -> Sequence[str]:
        """Those of some sessions on which a member that has rows of its own has any."""
        if self.template.per is None or name not in self._members.definitions:
            return days
        return self._members.presence(name).on(days)

    def dataset_of(self, variant: str = BASE) -> Dataset:
        """The dataset of a variant, or of a member. Raises as ``plan``."""
        return self._cutter(variant).dataset

    def dataset_config(self, trained: Definition) -> Component:
        """As it was trained, but with the file that the template names now, and what it says of odd sessions."""
        name = member_of(trained) or variant_of(trained)
        current = dataset_kwargs(self._looked.models.get(name, self._looked.definition))
        config: Component = with_dataset_kwargs(trained, **{CHECKS: current.get(CHECKS)})[DATASET]
        return with_kwargs(config, with_paths(kwargs_of(config), lambda path, key: paths_of(current).get(key, path)))

    def get_collector(
        self,
        process_list: Processes | None = None,
        rec_key_func: KeyFunc | None = None,
        rec_filter_func: FilterFunc | None = None,
        artifacts_key: str | Sequence[str] | None = None,
        **options: Unpack[OtherOptions],
    ) -> RecorderCollector:
        """As any strategy's.

        Args:
            process_list: None: ``RollingGroup()``, which joins the windows of a model.
            rec_key_func, rec_filter_func, artifacts_key, options: as for ``RecorderCollector``.
        """
        chosen: CollectorOptions = {
            "process_list": [RollingGroup()] if process_list is None else process_list,
            "rec_key_func": rec_key_func,
            "rec_filter_func": rec_filter_func,
            "artifacts_key": artifacts_key,
            **options,
        }
        return super().get_collector(**chosen)

    def to_config(self) -> dict[str, object]:
        """``{name, pool, template}``; of a subclass with arguments of its own: those."""
        if type(self).__init__ is not RollingStrategy.__init__:
            return super().to_config()
        own = {"name": self.name, "pool": self.pool, "template": self.template.to_config()}
        return {**own, **self.place_config()}

    @classmethod
    def of_config(cls, config: Mapping[str, Any], settings: Settings) -> Self:
        """The strategy that ``to_config`` wrote.

        Raises:
            TemplateError: it is something else.
        """
        if "template" not in config:
            return super().of_config(config, settings)
        template = Template.of_config(config["template"])
        for definition in template.models.values():
            check_segments(definition)
        check_name(config["pool"], "pool")
        return cls.of_template(template, settings, config["name"], config["pool"]).at_place(config)

    def _all(self) -> Plan:
        """Every window of the models that serve."""
        self._members.check()
        return self._plan({name: self._windows(name) for name in self.members or (BASE,)})

    def _windows(self, name: str) -> Windows:
        return self._members.fitting(name, self._cutter(name).all())

    def _plan(self, windows: Mapping[str, Windows], session: str = "") -> Plan:
        """The plan of the windows of some models."""
        days = sorted({day for part in windows.values() for day in part.sessions})
        named = [one for name, part in windows.items() for one in self._named(part.definitions, name)]
        if windows and not named and not session:
            raise TemplateError("no value has a model.", "Use fewer sessions: per: {column, sessions}.", "per")
        said = self._members.remarks(windows, session or None) if named else ()
        return Plan(self.name, tuple(named), tuple(days), self.template.options, session, said)

    def _due(self, session: str, latest: Latest, until: str | None) -> Plan:
        """The windows of every model that are due on a session, those of a warm start chained to the ones before."""
        due: dict[str, Windows] = {}
        for name in self.members or self.template.models:
            windows = self._members.fitting(name, self._cutter(name).at(session, latest.start or None, until), session)
            # Asked of each model: a challenger of another class may know no warm start.
            if self.template.online.warm_start and warm_starts(windows.definitions, self._settings.components):
                made = self._named(windows.definitions, name)
                windows = replace(windows, definitions=chained(self.pool, made, latest.tasks.get(name)))
            due[name] = windows
        if any(part.definitions for part in due.values()):
            self._members.check()
        return self._plan(due, session)

    def _cutter(self, name: str) -> WindowCutter:
        """What cuts the windows of a model; ``BASE`` is the first one where several serve together."""
        looked = self._looked
        name = next(iter(self._members.definitions), BASE) if name == BASE and not looked.per else name
        if name not in self._cutters:
            # The one for all rows comes first: it is asked which members there are.
            known = {BASE: looked.definition} if name == BASE else {**looked.models, **self._members.definitions}
            if name not in known:
                raise TemplateError(f"{self.name!r} has no variant {name!r}.", "See `rollq online show`.")
            part = looked.per is not None and name != BASE
            made = WindowCutter(looked, self._settings, known[name], looked.online.refit_every, part)
            if self._calendar is not None:
                check_calendar(self._calendar, made.sessions)
            self._cutters[name] = made
        return self._cutters[name]

    def _named(self, definitions: Sequence[Definition], name: str) -> tuple[Definition, ...]:
        """Definitions that say which model of the strategy they are."""
        key = MEMBER if name in self._members.definitions else VARIANT
        # The base says nothing, so that its tasks are those of a template without challengers.
        named = definitions if name == BASE else [{**found, key: name} for found in definitions]
        return tuple(map(self.placed, named))
