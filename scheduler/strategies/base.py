"""What a strategy is: it decides which tasks exist and which models serve, and plans in sessions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

from rollq.scheduler.collect.online_collector import online_collector
from rollq.scheduler.collect.options import CollectorOptions
from rollq.scheduler.collect.recorder_collector import RecorderCollector
from rollq.scheduler.online.online_set import OnlineModel, OnlineSet
from rollq.tasks.backend import Backend
from rollq.tasks.components.dataset import Dataset, Finding
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import DATASET, VARIANT, Component, Definition, planned_test
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.tasks.rolling.online_options import BASE, PromotionRule
from rollq.tasks.rolling.task_options import TaskOptions
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
    options: TaskOptions = field(default_factory=TaskOptions)
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


def variant_of(definition: Mapping[str, object]) -> str:
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
            session: the day (``YYYY-MM-DD``); nothing later is known.
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
        return self.dataset_of().findings()

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
    def dataset_of(self, variant: str = BASE) -> Dataset:
        """The dataset that the models of a variant are made from, as it is now."""

    def dataset_config(self, trained: Definition) -> Component:
        """The dataset of a task that was trained, as it is found today: for later predictions of its model."""
        config: Component = trained[DATASET]
        return config

    @abstractmethod
    def to_config(self) -> dict[str, object]:
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

    def get_collector(self, backend: Backend, **options: Unpack[CollectorOptions]) -> RecorderCollector:
        """Collects artifacts of all models that this strategy ever put online, with what they have predicted since.

        Args:
            backend: the servers.
            options: as for ``RecorderCollector``.
        """
        return online_collector(backend, self.name, **options)


def latest_of(definitions: Sequence[Definition], ids: Sequence[str], before: Latest | None = None) -> Latest:
    """What is latest once ``definitions``, whose tasks have ``ids``, are planned after ``before``."""
    start, tasks = (before.start, dict(before.tasks)) if before else ("", {})
    for definition, ident in sorted(zip(definitions, ids, strict=True), key=lambda pair: planned_test(pair[0])[0]):
        # The planned segment, not the dataset's: that one ends where the data ended.
        start = max(start, planned_test(definition)[0])
        tasks[variant_of(definition)] = ident
    return Latest(start, tasks)


def latest_planned(history: list[OnlineSet], sessions: Sequence[str] | None = None) -> Latest:
    """The newest windows that came online, of every variant, as the ledger says it.

    Args:
        sessions: windows that begin on another day do not count: it was dated wrongly, and was repaired.
    """
    named = [(online.champion, online.models) for online in history]
    named += [one for online in history for one in online.challengers.items()]
    # A window that began on a date that is gone would keep the next ones from being due.
    known = None if sessions is None else set(sessions)
    found = [(name, one) for name, models in named for one in models if known is None or one.test[0] in known]
    start = max((model.test[0] for _, model in found), default="")
    return Latest(start, {name: model.task_id for name, model in found if model.test[0] == start})
