"""Keywords that a caller hands through to the methods of a strategy: they are checked before anything is done."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from rollq.tasks.errors import SettingsError, TemplateError
from rollq.tasks.identity import canonical


@dataclass(frozen=True)
class Keywords:
    """``tasks`` are for ``prepare_tasks``, ``models`` for ``prepare_online_models``."""

    tasks: Mapping[str, object] = field(default_factory=dict)
    models: Mapping[str, object] = field(default_factory=dict)

    def check(self, strategies: Iterable[object]) -> None:
        """Refuse what a method of one of the strategies does not take, and what cannot reach another process.

        Raises:
            SettingsError: there is such a keyword.
        """
        try:
            canonical(dict(self.models), "model_kwargs")
        except TemplateError as error:
            raise SettingsError(f"model_kwargs: {error}", "A coordinator on any machine needs it: give JSON.") from None
        for strategy in strategies:
            check_taken(getattr(strategy, "prepare_tasks", None), self.tasks, "task_kwargs")
            check_taken(getattr(strategy, "prepare_online_models", None), self.models, "model_kwargs")


def check_taken(method: Callable[..., object] | None, keywords: Mapping[str, object], name: str) -> None:
    """Refuse keywords that a method does not take, or is given anyway; ``name`` is what the caller knows them by.

    Raises:
        SettingsError: there is such a keyword.
    """
    if method is None or not keywords:
        return
    taken = inspect.signature(method).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values()):
        return
    given = ("cur_time", "trained_models")  # by the manager
    if strange := [word for word in keywords if word not in taken or word in given]:
        raise SettingsError(
            f"{name}: {method.__qualname__} takes no {strange[0]!r}.",
            "Leave it out, or let a strategy of your own take it.",
        )
