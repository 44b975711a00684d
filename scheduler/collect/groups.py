"""Groups sort values by key, then join each group with an ensemble."""

from __future__ import annotations

from collections.abc import Callable

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

    def group(self, values: Values) -> Collected:
        """The values by group.

        Raises:
            EnsembleError: no group function was given.
        """
        if not callable(self._group_func):
            raise EnsembleError("The group has no function to sort by.", "Pass group_func=...")
        return self._group_func(values)

    def reduce(self, values: Values) -> object:
        """The values of one group, joined.

        Raises:
            EnsembleError: no ensemble was given.
        """
        if not callable(self._ens):
            raise EnsembleError("The group has no ensemble to join with.", "Pass ens=RollingEnsemble() or another.")
        return self._ens(values)

    def __call__(self, ungrouped_dict: Values) -> Collected:
        """Sort, then join each group.

        Raises:
            EnsembleError: as ``group`` and ``reduce``.
        """
        return {key: self.reduce(values) for key, values in self.group(ungrouped_dict).items()}


class RollingGroup(Group):
    """Joins the windows of each model: a key is a tuple whose last part names the window."""

    def __init__(self, ens: Process | None = None) -> None:
        super().__init__(ens=RollingEnsemble() if ens is None else ens)

    @property
    def is_plain(self) -> bool:
        """Whether it joins with ``RollingEnsemble``: then windows may be joined while they are read."""
        return type(self._ens) is RollingEnsemble

    def group(self, values: Values) -> Collected:
        """The windows by everything of the key but its last part.

        Raises:
            EnsembleError: a key is not a tuple, or is empty.
        """
        grouped: Collected = {}
        for key, value in values.items():
            if not isinstance(key, tuple) or not key:
                raise EnsembleError(f"A key of rolling predictions is a tuple, not {key!r}.", "Use (model, window).")
            grouped.setdefault(key[:-1], {})[key[-1]] = value
        return grouped
