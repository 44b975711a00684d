"""Strategies decide which tasks exist. RollingStrategy cuts one template into rolling windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from tasks.settings import Settings
from tasks.task import Definition
from tasks.template import Template


@dataclass(frozen=True)
class Plan:
    """Tasks to train for a strategy, and the sessions (``YYYY-MM-DD``) that their predictions must cover.

    ``options`` are keywords of ``Trainer``: how the tasks are to be run.
    """

    strategy: str
    definitions: tuple[Definition, ...]
    sessions: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def purpose(self) -> dict[str, Any]:
        """What a coordinator needs to know about the round of these tasks."""
        return {"strategy": self.strategy, "sessions": list(self.sessions)}


class OnlineStrategy(ABC):
    """Decides which tasks exist and which models are online."""

    name: str

    @abstractmethod
    def first_tasks(self) -> Plan:
        """The tasks of the first training."""


class RollingStrategy(OnlineStrategy):
    """One template, rolled over its whole range.

    Args:
        template: checked by ``load_template``.
        name: of the strategy; by default the template's.
    """

    def __init__(self, template: Template, settings: Settings, name: str | None = None) -> None:
        self.name = name or template.name
        self._template = template
        self._settings = settings

    def first_tasks(self) -> Plan:
        """Every window of the template.

        Raises:
            TemplateError, SegmentError, DataError: the template or its data cannot be used.
        """
        windows = self._template.windows(self._settings)
        return Plan(self.name, windows.definitions, windows.sessions, self._template.options)
