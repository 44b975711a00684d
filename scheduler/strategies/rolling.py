"""RollingStrategy: one template, rolled over its range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from rollq.scheduler.strategies.base import Latest, OnlineStrategy, Plan, variant_of
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import resolve
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    CHAIN,
    CHECKS,
    DATASET,
    MODEL,
    PATH,
    VARIANT,
    Component,
    Definition,
    dataset_kwargs,
    with_dataset_kwargs,
)
from rollq.tasks.errors import TemplateError
from rollq.tasks.identity import task_id, task_key
from rollq.tasks.rolling.cutter import WindowCutter
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.tasks.rolling.online_options import BASE, PromotionRule
from rollq.tasks.rolling.segment_checks import check_segments
from rollq.tasks.rolling.template import WARM, Template
from rollq.tasks.rolling.template_names import check_name


class RollingStrategy(OnlineStrategy):
    """One template, rolled over its range; its challengers roll with it.

    Args:
        template: checked by ``load_template``.
        settings: say where data and own classes are.
        name: of the strategy; by default the template's.
        pool: its task pool; by default its name.
    """

    def __init__(
        self, template: Template, settings: Settings, name: str | None = None, pool: str | None = None
    ) -> None:
        self.name = name or template.name
        check_name(self.name, "name")
        self.pool = pool or self.name
        self.template = template
        self._looked = template  # the template with what was accepted since
        self._settings = settings
        self._cutters: dict[str, WindowCutter] = {}

    def first_tasks(self, session: str | None = None, until: str | None = None) -> Plan:
        """Every window of the template; with a session, every window that has begun by then.

        Raises:
            TemplateError, SegmentError, DataError: the template or its data cannot be used.
        """
        if session is None:
            windows = self._cutter(BASE).all()
            return Plan(self.name, windows.definitions, windows.sessions, self.template.options)
        plan = self._plan(session, Latest(""), until)
        if not plan.definitions:
            raise TemplateError(
                f"no window of {self.name!r} has begun by {session}.",
                "Begin later, or let the test segment start earlier.",
                "online.begin",
            )
        return plan

    def research_plans(self) -> dict[str, Plan]:
        """Every window of the template, by variant: the template's own model and its challengers. Raises as above."""
        plans = {}
        for variant in self.template.variants:
            windows = self._cutter(variant).all()
            made = _of_variant(windows.definitions, variant)
            plans[variant] = Plan(self.name, made, windows.sessions, self.template.options)
        return plans

    def prepare_tasks(self, session: str, latest: Latest, until: str | None = None) -> Plan:
        """The windows that have begun since the latest ones: trained on the first session of their own test segment."""
        return self._plan(session, latest, until)

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

    @property
    def promotion_rule(self) -> PromotionRule | None:
        """When a challenger becomes champion by itself; None: never."""
        return self.template.online.promote

    def dataset_of(self, variant: str = BASE) -> Dataset:
        """The dataset of a variant. Raises as ``first_tasks``."""
        return self._cutter(variant).dataset

    def dataset_config(self, trained: Definition) -> Component:
        """As it was trained, but with the file that the template names now, and what it says of odd sessions."""
        current = dataset_kwargs(self._looked.variants.get(variant_of(trained), self._looked.definition))
        changes = {CHECKS: current.get(CHECKS)}
        if PATH in dataset_kwargs(trained) and PATH in current:
            changes[PATH] = current[PATH]
        config: Component = with_dataset_kwargs(trained, **changes)[DATASET]
        return config

    def to_config(self) -> dict[str, object]:
        """``{name, pool, template}``."""
        return {"name": self.name, "pool": self.pool, "template": self.template.to_config()}

    @classmethod
    def of_config(cls, config: Mapping[str, Any], settings: Settings) -> RollingStrategy:
        """The strategy that ``to_config`` wrote.

        Raises:
            TemplateError: it is something else.
        """
        template = Template.of_config(config["template"])
        for definition in template.variants.values():
            check_segments(definition)
        check_name(config["pool"], "pool")
        return cls(template, settings, config["name"], config["pool"])

    def _plan(self, session: str, latest: Latest, until: str | None) -> Plan:
        """The windows of every variant that are due on a session, those of a warm start chained to the ones before."""
        definitions: list[Definition] = []
        sessions: set[str] = set()
        for variant in self.template.variants:
            windows = self._cutter(variant).at(session, latest.start or None, until)
            made = _of_variant(windows.definitions, variant)
            # Asked of each variant: a challenger of another class may know no warm start.
            if self.template.online.warm_start and self._warm_starts(made):
                made = self._chained(made, latest.tasks.get(variant))
            definitions += made
            sessions |= set(windows.sessions)
        return Plan(self.name, tuple(definitions), tuple(sorted(sessions)), self.template.options, session)

    def _chained(self, windows: Sequence[Definition], earlier: str | None) -> tuple[Definition, ...]:
        """Each window begins from the model of the one before; which one that is belongs to what the task is."""
        made: list[Definition] = []
        for window in windows:
            chained = deepcopy(window)
            if earlier:
                chained[CHAIN] = {"pool": self.pool, "task": earlier}
            # The id of a task is known before it is created, because it is made of what the task is.
            earlier = task_id(self.pool, task_key(chained))
            made.append(chained)
        return tuple(made)

    def _warm_starts(self, windows: Sequence[Definition]) -> bool:
        """Whether their model can start from another one; a challenger that cannot is trained from scratch."""
        models = [resolve(window[MODEL], MODEL, self._settings.components) for window in windows[:1]]
        return any(getattr(cls, WARM, False) for cls in models)

    def _cutter(self, variant: str) -> WindowCutter:
        if variant not in self._cutters:
            step, definition = self._looked.online.refit_every, self._looked.variants.get(variant)
            if definition is None:
                raise TemplateError(f"{self.name!r} has no variant {variant!r}.", "See `rollq online show`.")
            self._cutters[variant] = WindowCutter(self._looked, self._settings, definition, step)
        return self._cutters[variant]


def _of_variant(definitions: Sequence[Definition], variant: str) -> tuple[Definition, ...]:
    """The base says nothing, so that its tasks are those of a template without challengers."""
    return tuple(definitions if variant == BASE else ({**found, VARIANT: variant} for found in definitions))
