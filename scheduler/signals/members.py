"""The signals of models that serve together: averaged; side by side by their horizons; or each with rows of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from rollq.scheduler.collect.ensembles import AverageEnsemble
from rollq.tasks.errors import BadInput, CoverageError
from rollq.tasks.rolling.members.role import ALONE, HORIZON, Role, horizon_column

SCORE = "score"


class Member(NamedTuple):
    """A model among those that serve together: its name, and its role there."""

    name: str
    role: Role = ALONE


def joined_members(frames: Mapping[Member, pd.DataFrame]) -> pd.DataFrame:
    """The signals of models that serve together, indexed (datetime, instrument), unique and sorted.

    Models with rows of their own are put one below the other. Of several horizons each has a column (``horizon=5``),
    and ``score`` is that of the first one. Of models without a role the column ``score`` is the average, and the others
    are those of each.

    Args:
        frames: the column ``score`` of each; one model alone is left as it is.

    Raises:
        EnsembleError: rows of models that are averaged cannot be matched.
        CoverageError: two models predict the same row, though each has rows of its own.
    """
    horizons = sorted({(member.role.order, member.role.horizon) for member in frames})
    parts = {
        horizon: _of_one_horizon({member: one for member, one in frames.items() if member.role.horizon == horizon})
        for _, horizon in horizons
    }
    # On earlier sessions a strategy may have served without horizons: those rows have a score alone.
    alone = parts.pop("", None)
    if not parts and alone is not None:
        return alone
    columns = {horizon_column(horizon): part[SCORE] for horizon, part in parts.items()}
    joined = pd.DataFrame({SCORE: next(iter(columns.values())), **columns})
    return (joined if alone is None else pd.concat([alone[[SCORE]], joined])).sort_index()


def of_horizon(signals: pd.DataFrame, horizon: str | None) -> pd.DataFrame:
    """The signals of one horizon as the column ``score``; None: all that there is.

    Raises:
        BadInput: there is no such horizon.
    """
    if horizon is None:
        return signals
    if (column := horizon_column(horizon)) not in signals:
        known = ", ".join(str(name).removeprefix(HORIZON) for name in signals if str(name).startswith(HORIZON))
        fix = f"The horizons are {known}." if known else "Leave --horizon out: the label has one horizon."
        raise BadInput(f"There are no signals for the horizon {horizon}.", fix)
    return signals[[column]].dropna().set_axis([SCORE], axis=1)  # without sessions of before there were horizons


def _of_one_horizon(frames: Mapping[Member, pd.DataFrame]) -> pd.DataFrame:
    if len(frames) == 1:
        return next(iter(frames.values()))
    if grouped := {member: frame for member, frame in frames.items() if member.role.group}:
        others = {member: frame for member, frame in frames.items() if member not in grouped}
        return _together({**grouped, **({Member(""): _of_one_horizon(others)} if others else {})})
    named = {member.name: frame for member, frame in frames.items()}
    joined = AverageEnsemble()(named)
    average = joined.iloc[:, 0] if isinstance(joined, pd.DataFrame) else joined
    return pd.DataFrame({SCORE: average, **{name: frame[SCORE] for name, frame in named.items()}}).sort_index()


def _together(frames: Mapping[Member, pd.DataFrame]) -> pd.DataFrame:
    joined = pd.concat([frame[[SCORE]] for frame in frames.values()]).sort_index()
    if not joined.index.is_unique:
        row = joined.index[joined.index.duplicated()][0]
        both = [member.name or "a model" for member, frame in frames.items() if row in frame.index]
        raise CoverageError(
            f"{' and '.join(both[:2])} both predict {row[0]} {row[1]}.", "Each row must have one value of the column."
        )
    return joined
