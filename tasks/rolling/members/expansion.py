"""From the definition of a template to those of its members: a model for each value of a column and each horizon."""

from __future__ import annotations

from collections.abc import Sequence

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.definition import MEMBER, ONLY, ROLE, Definition, with_dataset_kwargs
from rollq.tasks.errors import DataError
from rollq.tasks.rolling.members.horizons import Horizon, with_horizon
from rollq.tasks.rolling.members.per import KEY, Per
from rollq.tasks.rolling.members.role import Role


def members_of(
    definition: Definition, per: Per | None, values: Sequence[str], horizons: Sequence[Horizon]
) -> dict[str, Definition]:
    """The definitions of the members by their names, each with its role; empty if there is one model.

    Args:
        definition: of the template, with one horizon.
        values: of the column ``per``.
    """
    made: dict[str, Definition] = {}
    for value in values if per else ("",):
        for order, horizon in enumerate(horizons or ("",)):
            role = Role(per.group(value) if per else "", str(horizon), order)
            if not role.name:
                return {}
            member = with_horizon(definition, horizon) if horizon else definition
            if per:
                member = with_dataset_kwargs(member, **{ONLY: {per.column: value}})
            made[role.name] = {**member, MEMBER: role.name, ROLE: role.to_dict()}
    return made


def values_of(dataset: Dataset, per: Per) -> list[str]:
    """The values of the column that models are divided by.

    Raises:
        DataError: the dataset has no such groups, or no value.
    """
    found = dataset.groups(per.column)
    if not found:
        raise DataError(f"{KEY}: the column {per.column!r} has no value.", "Name a column that has some.")
    return list(found)
