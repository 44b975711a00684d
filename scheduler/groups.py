"""Groups sort values by key, then join each group with an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scheduler.ensembles import Ensemble, RollingEnsemble
from tasks.errors import EnsembleError


class Group:
    """Sorts and joins.

    Args:
        group_func: takes a mapping, returns a mapping of mappings.
        ens: joins each of them.
    """

    def __init__(
        self, group_func: Callable[[Mapping[Any, Any]], dict[Any, Any]] | None = None, ens: Ensemble | None = None
    ) -> None:
        self._group_func = group_func
        self._ens = ens

    def group(self, values: Mapping[Any, Any]) -> dict[Any, Any]:
        """The values by group.

        Raises:
            EnsembleError: no group function was given.
        """
        if self._group_func is None:
            raise EnsembleError("The group has no function to sort by.", "Pass group_func=...")
        return self._group_func(values)

    def reduce(self, groups: Mapping[Any, Any]) -> dict[Any, Any]:
        """Each group joined.

        Raises:
            EnsembleError: no ensemble was given.
        """
        if self._ens is None:
            raise EnsembleError("The group has no ensemble to join with.", "Pass ens=RollingEnsemble() or another.")
        return {key: self._ens(values) for key, values in groups.items()}

    def __call__(self, ungrouped_dict: Mapping[Any, Any]) -> dict[Any, Any]:
        """Sort, then join."""
        return self.reduce(self.group(ungrouped_dict))


class RollingGroup(Group):
    """Joins the windows of each model: a key is a tuple whose last part names the window."""

    def __init__(self, ens: Ensemble | None = None) -> None:
        super().__init__(ens=ens or RollingEnsemble())

    def group(self, values: Mapping[Any, Any]) -> dict[Any, Any]:
        """The windows by everything of the key but its last part.

        Raises:
            EnsembleError: a key is not a tuple.
        """
        grouped: dict[Any, Any] = {}
        for key, value in values.items():
            if not isinstance(key, tuple):
                raise EnsembleError(f"A key of rolling predictions is a tuple, not {key!r}.", "Use (model, window).")
            grouped.setdefault(key[:-1], {})[key[-1]] = value
        return grouped
