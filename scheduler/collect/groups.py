"""Groups sort values by key, then join each group with an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rollq.scheduler.collect.ensembles import RollingEnsemble
from rollq.scheduler.collect.values import Collected, Process, Values
from rollq.tasks.errors import EnsembleError


class Group:
    """Sorts and joins.

    Args:
        group_func: takes a mapping, returns a mapping of mappings.
        ens: joins one of them; an ``Ensemble`` or any other callable.
    """

    def __init__(
        self,
        group_func: Callable[..., Collected] | None = None,
        ens: Process | None = None,
    ) -> None:
        self._group_func = group_func
        self._ens = ens

    def group(self, *args: Any, **kwargs: Any) -> Collected:
        """The values by group: all arguments go to the group function.

        Raises:
            EnsembleError: no group function was given.
        """
        if not callable(self._group_func):
            raise EnsembleError("The group has no function to sort by.", "Pass group_func=...")
        return self._group_func(*args, **kwargs)

    def reduce(self, *args: object, **kwargs: object) -> object:
        """The values of one group, joined: all arguments go to the ensemble.

        Raises:
            EnsembleError: no ensemble was given.
        """
        if not callable(self._ens):
            raise EnsembleError("The group has no ensemble to join with.", "Pass ens=RollingEnsemble() or another.")
        return self._ens(*args, **kwargs)

    def __call__(
        self, ungrouped_dict: Values, n_jobs: int = 1, verbose: int = 0, *args: object, **kwargs: object
    ) -> Collected:
        """Sort, then join each group.

        Args:
            ungrouped_dict: the values, by key.
            n_jobs: the reference starts so many processes; here all groups are joined in this one, to the same result.
            verbose: how much the reference tells of them.
            args: further arguments of ``group``.
            kwargs: further arguments of ``group``.

        Raises:
            EnsembleError: as ``group`` and ``reduce``.
        """
        grouped = self.group(ungrouped_dict, *args, **kwargs)
        return {key: self.reduce(values) for key, values in grouped.items()}


class RollingGroup(Group):
    """Joins the windows of each model: a key is a tuple whose last part names the window."""

    def __init__(self, ens: Process | None = None) -> None:
        super().__init__(ens=RollingEnsemble() if ens is None else ens)

    @property
    def is_plain(self) -> bool:
        """Whether it joins with ``RollingEnsemble``: then windows may be joined while they are read."""
        return type(self._ens) is RollingEnsemble

    def group(self, rolling_dict: Values) -> Collected:
        """The windows by everything of the key but its last part.

        Raises:
            EnsembleError: a key is not a tuple, or is empty.
        """
        grouped: Collected = {}
        for key, value in rolling_dict.items():
            if not isinstance(key, tuple) or not key:
                raise EnsembleError(f"A key of rolling predictions is a tuple, not {key!r}.", "Use (model, window).")
            grouped.setdefault(key[:-1], {})[key[-1]] = value
        return grouped
