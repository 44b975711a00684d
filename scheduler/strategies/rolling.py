"""Strategies decide which tasks exist and which models serve. RollingStrategy rolls one template."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from rollq.scheduler.collect.online_collector import online_collector
from rollq.scheduler.collect.recorder_collector import RecorderCollector
from rollq.scheduler.online.online_set import OnlineModel
from rollq.tasks.backend import Backend
from rollq.tasks.components.dataset import Finding
from rollq.tasks.components.registry import resolve
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    CHAIN,
    CHECKS,
    DATASET,
    MODEL,
    PATH,
    VARIANT,
    Definition,
    dataset_kwargs,
    planned_test,
    with_dataset_kwargs,
)
from rollq.tasks.errors import TemplateError
from rollq.tasks.identity import task_id, task_key
from rollq.tasks.rolling.cutter import WindowCutter
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.tasks.rolling.online_options import BASE, PromotionRule
from rollq.tasks.rolling.segment_checks import check_segments
from rollq.tasks.rolling.template import WARM, Template, check_name
from rollq.tasks.rounds.purpose import Serve


@dataclass(frozen=True)
class Plan:
    """Tasks to train for a strategy, and the sessions (``YYYY-MM-DD``) that their predictions must cover.

    ``options`` are keywords of ``Trainer``: how the tasks are to be run. ``session`` is the clock by which the plan was
    made; empty where a whole range was cut at once.
    """

    strategy: str
    definitions: tuple[Definition, ...]
    sessions: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    session: str = ""

    @property
    def purpose(self) -> Serve:
        """What a coordinator needs to know about the round of these tasks."""
        return Serve(self.strategy, self.sessions, self.session)


@dataclass(frozen=True)
class Latest:
    """The newest windows that were planned: when they begin, and the task of each variant."""

    start: str
    tasks: Mapping[str, str] = field(default_factory=dict)


def variant_of(definition: Mapping[str, Any]) -> str:
    """Which variant of its strategy a definition is."""
    return str(definition.get(VARIANT, BASE))


class OnlineStrategy(ABC):
    """Decides which tasks exist and which models are online. A session is a date, ``YYYY-MM-DD``."""

    name: str

    @abstractmethod
    def first_tasks(self, session: str | None = None, until: str | None = None) -> Plan:
        """The tasks of the first training.

        Args:
            session: the clock; None: everything that the strategy can think of, whatever the day.
            until: predict up to this session; None: up to the clock.
        """

    @abstractmethod
    def prepare_tasks(self, session: str, latest: Latest, until: str | None = None) -> Plan:
        """The tasks that are new on ``session``; often there are none.

        Args:
            latest: what was planned before.
            until: as for ``first_tasks``.
        """

    @property
    def promotion_rule(self) -> PromotionRule | None:
        """When a challenger becomes champion by itself; None: never."""
        return None

    @abstractmethod
    def sessions(self) -> Sequence[str]:
        """The sessions of its data."""

    def findings(self) -> Sequence[Finding]:
        """What is odd about the sessions of its data. Raises as ``sessions``."""
        look = getattr(self.dataset_of(), "findings", None)
        return look() if look else ()

    @property
    def data_checks(self) -> DataChecks:
        """What is odd about a session, and what is accepted all the same."""
        return DataChecks()

    def accept(self, sessions: Iterable[str]) -> None:
        """Take odd sessions as they are: ``YYYY-MM-DD``, or ``YYYY-MM-DD:check``.

        Raises:
            TemplateError: it has no checks, or one of them is no session.
        """
        if list(sessions):
            raise TemplateError(f"{self.name!r} does not look at its data.", "Leave --accept out.")

    @abstractmethod
    def dataset_of(self, variant: str = BASE) -> Any:
        """The dataset that the models of a variant are made from, as it is now."""

    def dataset_config(self, trained: Definition) -> dict[str, Any]:
        """The dataset of a task that was trained, as it is found today: for later predictions of its model."""
        config: dict[str, Any] = trained[DATASET]
        return config

    @abstractmethod
    def to_config(self) -> dict[str, Any]:
        """JSON-able; ``of_config`` of the same class makes the strategy again."""

    @classmethod
    @abstractmethod
    def of_config(cls, config: Mapping[str, Any], settings: Settings) -> OnlineStrategy:
        """The strategy that ``to_config`` wrote."""

    def prepare_online_models(
        self, trained: Sequence[OnlineModel], online: Sequence[OnlineModel]
    ) -> Sequence[OnlineModel]:
        """The models that serve next; the coordinator asks, wherever it runs. By default: those that were trained.

        Args:
            trained: the champion's models of a round that is gathered; at least one.
            online: those that serve now; empty at first.
        """
        return trained

    def get_collector(self, backend: Backend, **options: Any) -> RecorderCollector:
        """Collects artifacts of all models that this strategy ever put online, with what they have predicted since.

        Args:
            options: as for ``RecorderCollector``.
        """
        return online_collector(backend, self.name, **options)


class RollingStrategy(OnlineStrategy):
    """One template, rolled over its range; its challengers roll with it.

    Args:
        template: checked by ``load_template``.
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
        self._cutters.clear()

    @property
    def promotion_rule(self) -> PromotionRule | None:
        """When a challenger becomes champion by itself; None: never."""
        return self.template.online.promote

    def dataset_of(self, variant: str = BASE) -> Any:
        """The dataset of a variant. Raises as ``first_tasks``."""
        return self._cutter(variant).dataset

    def dataset_config(self, trained: Definition) -> dict[str, Any]:
        """As it was trained, but with the file that the template names now, and what it says of odd sessions."""
        current = dataset_kwargs(self._looked.variants.get(variant_of(trained), self._looked.definition))
        changes = {CHECKS: current.get(CHECKS)}
        if PATH in dataset_kwargs(trained) and PATH in current:
            changes[PATH] = current[PATH]
        config: dict[str, Any] = with_dataset_kwargs(trained, **changes)[DATASET]
        return config

    def to_config(self) -> dict[str, Any]:
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
        definitions: list[Definition] = []
        sessions: set[str] = set()
        for variant in self.template.variants:
            windows = self._cutter(variant).at(session, latest.start or None, until)
            made = _of_variant(windows.definitions, variant)
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


def latest_of(definitions: Sequence[Definition], ids: Sequence[str], before: Latest | None = None) -> Latest:
    """What is latest once ``definitions``, whose tasks have ``ids``, are planned after ``before``."""
    start, tasks = (before.start, dict(before.tasks)) if before else ("", {})
    for definition, ident in sorted(zip(definitions, ids, strict=True), key=lambda pair: planned_test(pair[0])[0]):
        start = max(start, planned_test(definition)[0])
        tasks[variant_of(definition)] = ident
    return Latest(start, tasks)
