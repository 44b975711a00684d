"""What a strategy is: it decides which tasks exist and which models serve, and plans in sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, Unpack

import pandas as pd

from rollq.scheduler.collect.online_collector import online_collector
from rollq.scheduler.collect.options import CollectorOptions
from rollq.scheduler.collect.recorder_collector import RecorderCollector
from rollq.scheduler.online.online_set import OnlineModel
from rollq.scheduler.online.tool import OnlineTool
from rollq.scheduler.strategies.given import OF_PROCESS, Given, of_stored, remembering, to_stored
from rollq.scheduler.strategies.own_tasks import begun, checked
from rollq.scheduler.strategies.plan import Latest, Plan
from rollq.tasks.backend import Backend
from rollq.tasks.components.dataset import Dataset, Finding
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import Settings, load_settings
from rollq.tasks.definition import DATASET, Component, Definition, records_of, with_experiment
from rollq.tasks.errors import TemplateError
from rollq.tasks.ingredients.seen import sessions_of
from rollq.tasks.rolling.data_checks import DataChecks
from rollq.tasks.rolling.online_options import BASE, PromotionRule
from rollq.tasks.rolling.template import Template
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder


class OnlineStrategy:
    """Decides which tasks exist and which models are online. A session is a date, ``YYYY-MM-DD``.

    One of the user's own has ``first_tasks`` and ``prepare_tasks``, which return ``{model, dataset, record}``, and may
    have ``prepare_online_models`` and ``get_collector``. Other processes make it again from its arguments.

    Args:
        name_id: its name.
    """

    _given: Given

    def __init_subclass__(cls) -> None:
        """Lets objects of the class remember their arguments, of which ``to_config`` is made."""
        super().__init_subclass__()
        if "__init__" in vars(cls):
            setattr(cls, "__init__", remembering(cls.__init__))  # noqa: B010 - mypy takes no other way

    def __init__(self, name_id: str) -> None:
        if not hasattr(self, "_given"):
            self._given = (name_id,), {}
        self.name_id = name_id
        self.logger = logging.getLogger(type(self).__module__)
        self._pool = name_id
        self._experiment = ""  # where it is not the pool
        self._own_settings: Settings | None = None
        self._backend: Backend | None = None
        self._latest: Latest | None = None
        self._dataset: Dataset | None = None

    @property
    def name(self) -> str:
        """The same as ``name_id``."""
        return self.name_id

    @property
    def pool(self) -> str:
        """Its task pool, which is by default called as it is."""
        return self._pool

    @property
    def backend(self) -> Backend:
        """The servers: those of the manager that keeps it online, or those that the settings name.

        Raises:
            Unavailable: there are none, or they do not answer.
        """
        if self._backend is None:
            self._backend = Backend.connect()
        return self._backend

    @property
    def _settings(self) -> Settings:
        """Where data and own classes are: as it was made, as its servers have it, or as this process does."""
        if self._own_settings is None:
            self._own_settings = load_settings()
        return self._own_settings

    def use(self, backend: Backend, pool: str | None = None) -> None:
        """Work with these servers from now on.

        Args:
            backend: the servers.
            pool: of its tasks; their runs are in the experiment that has the name of the strategy. None: as it was.
        """
        self._backend = backend
        self._own_settings = backend.settings
        if pool and pool != self._pool:
            self._pool, self._experiment = pool, self.name

    def placed(self, definition: Definition) -> Definition:
        """A definition that says where its runs are, if that is not the pool."""
        return with_experiment(definition, self._experiment or self._pool, self._pool)

    @property
    def tool(self) -> OnlineTool:
        """The tags of its recorders, and which of them serve."""
        return OnlineTool(self.backend, self.name, self.pool)

    @tool.setter
    def tool(self, tool: object) -> None:
        """Strategies of Qlib bring one; here the ledger says what serves, so theirs is not used."""

    def first_tasks(self) -> Sequence[Definition]:
        """The definitions of all tasks that it can think of, whatever the day.

        Raises:
            NotImplementedError: its class does not say.
        """
        raise NotImplementedError(f"{type(self).__name__}.first_tasks is not there")

    def prepare_tasks(self, cur_time: pd.Timestamp) -> Sequence[Definition]:
        """The definitions of the tasks that are new on a session; often there are none.

        Raises:
            NotImplementedError: its class does not say.
        """
        raise NotImplementedError(f"{type(self).__name__}.prepare_tasks is not there")

    @property
    def own_tasks(self) -> bool:
        """Whether its own code names the tasks, and may look at what serves."""
        return True

    def plan(
        self,
        session: str | None = None,
        latest: Latest | None = None,
        until: str | None = None,
        keywords: Mapping[str, object] | None = None,
    ) -> Plan:
        """The tasks that are new on ``session``; after the first training there are often none.

        Those that have not begun by ``session`` are left out, and those that do not begin after what was planned.

        Args:
            session: the day (``YYYY-MM-DD``), nothing later is known; None: every task that the strategy can think of,
                whatever the day.
            latest: what was planned before; None: nothing, this is the first training.
            until: predict up to this session; None: up to ``session``.
            keywords: of ``prepare_tasks``.

        Raises:
            TemplateError: it is the first training, and there is no task yet; or tasks are none.
        """
        self._latest = latest
        first = session is None or latest is None
        prepare: Callable[..., Sequence[Definition]] = self.prepare_tasks
        tasks = self.first_tasks() if first else prepare(pd.Timestamp(session), **(keywords or {}))
        source = f"{type(self).__name__}.{'first_tasks' if first else 'prepare_tasks'}"
        after = latest.start if latest else ""
        made, days = begun(checked(tasks, source), session, after, until, self._settings.components)
        if first and not made:
            raise TemplateError(f"no task has begun by {session or 'now'}.", "Begin later.", source)
        return Plan(self.name, tuple(map(self.placed, made)), days, session=session or "")

    @property
    def members(self) -> Sequence[str]:
        """The names of the models that serve together; empty if one serves alone."""
        return ()

    def serves_beside(self, model: OnlineModel) -> bool:
        """Whether a model that serves goes on beside what was trained, if none of its member was."""
        return model.member in self.members

    def days_of(self, name: str, days: Sequence[str]) -> Sequence[str]:
        """Those of some sessions that a variant, or a member, has to predict: where it has rows of its own, those."""
        return days

    @property
    def promotion_rule(self) -> PromotionRule | None:
        """When a challenger becomes champion by itself; None: never."""
        return None

    def sessions(self) -> Sequence[str]:
        """The sessions of its data."""
        return sessions_of(self.dataset_of())

    def findings(self) -> Sequence[Finding]:
        """What is odd about the sessions of its data. Raises as ``sessions``."""
        return self.dataset_of().findings()

    @property
    def data_checks(self) -> DataChecks:
        """What is odd about a session, and what is accepted all the same."""
        return DataChecks()

    @property
    def looks_ahead(self) -> bool:
        """Whether sessions after today are meant to be in its data. Raises as ``sessions``."""
        return self.sessions_ahead > 0

    @property
    def sessions_ahead(self) -> int:
        """How many sessions after today are meant to be in its data. Raises as ``sessions``."""
        return self.data_checks.sessions_ahead(self.sessions(), self._sessions_ahead)

    def last_meant(self, date: str) -> str:
        """The last session that is meant to be there on a date: one ahead, or the date. Raises as ``sessions``."""
        return self.data_checks.last_meant(self.sessions(), date, self._sessions_ahead)

    @property
    def _sessions_ahead(self) -> int:
        return int(getattr(self.dataset_of(), "sessions_ahead", 0))

    def accept(self, sessions: Iterable[str]) -> None:
        """Take odd sessions as they are: ``YYYY-MM-DD``, or ``YYYY-MM-DD:check``.

        Raises:
            TemplateError: it has no checks, or one of them is no session.
        """
        if list(sessions):
            raise TemplateError(f"{self.name!r} does not look at its data.", "Leave --accept out.")

    def dataset_of(self, variant: str = BASE) -> Dataset:
        """The dataset that the models of a variant, or of a member, are made from, as it is now."""
        if self._dataset is None:
            first, *_ = checked(self.first_tasks(), f"{type(self).__name__}.first_tasks")
            self._dataset = build(first[DATASET], DATASET, self._settings.components)
        return self._dataset

    def records_of(self, variant: str = BASE) -> list[tuple[str, Component]]:
        """The records that measure the models of a variant, each with its place; the template's, if it is gone."""
        template = getattr(self, "template", None)
        if isinstance(template, Template):
            return list(records_of(template.models.get(variant, template.definition)))
        first, *_ = checked(self.first_tasks(), f"{type(self).__name__}.first_tasks")
        return list(records_of(first))

    def dataset_config(self, trained: Definition) -> Component:
        """The dataset of a task that was trained, as it is found today: for later predictions of its model."""
        config: Component = trained[DATASET]
        return config

    def to_config(self) -> dict[str, object]:
        """JSON-able; ``of_config`` of the same class makes the strategy again. By default: its arguments.

        Raises:
            SettingsError: one of them has no JSON form.
        """
        args, kwargs = self._given
        kept = {name: value for name, value in kwargs.items() if name not in OF_PROCESS}
        return {
            **self.place_config(),
            "args": [to_stored(value, f"{type(self).__name__}: argument {n}") for n, value in enumerate(args, 1)],
            "kwargs": {name: to_stored(value, f"{type(self).__name__}: {name}") for name, value in kept.items()},
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any], settings: Settings) -> Self:
        """The strategy that ``to_config`` wrote."""
        args = [of_stored(value, settings.components) for value in config["args"]]
        kwargs = {name: of_stored(value, settings.components) for name, value in config["kwargs"].items()}
        make: Callable[..., Self] = cls
        return make(*args, **kwargs).at_place(config)

    def place_config(self) -> dict[str, object]:
        """The pool and the experiment, if they are not the same."""
        return {"pool": self._pool, "experiment": self._experiment} if self._experiment else {}

    def at_place(self, config: Mapping[str, Any]) -> Self:
        """Itself, with pool and experiment as ``place_config`` wrote them."""
        self._pool, self._experiment = config.get("pool", self._pool), config.get("experiment", "")
        return self

    def prepare_online_models(
        self, trained_models: Sequence[MLflowRecorder], cur_time: pd.Timestamp | None = None
    ) -> Sequence[MLflowRecorder]:
        """The models that serve next; the coordinator asks, wherever it runs. By default: those that were trained.

        Args:
            trained_models: the recorders of the champion's models of a round that is gathered; empty: nothing changes.
            cur_time: the session that they were planned on; None: a round without one.
        """
        return trained_models or self.tool.online_models()

    def get_collector(self, **options: Unpack[CollectorOptions]) -> RecorderCollector:
        """Collects artifacts of all models that this strategy ever put online, with what they have predicted since.

        Args:
            options: as for ``RecorderCollector``.
        """
        return online_collector(self.backend, self.name, **options)
