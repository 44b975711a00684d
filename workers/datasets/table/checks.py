"""What is looked at before anything is enqueued: what would make every window fail, or let a model see the future."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rollq.tasks.components.dataset import Finding
from rollq.tasks.errors import DataError
from rollq.tasks.rolling.data_checks import some
from rollq.workers.datasets.panel_cache import Panel
from rollq.workers.datasets.plan.plan import TablePlan
from rollq.workers.datasets.prices import KEY
from rollq.workers.datasets.segment_rows import check_segment as check_segment
from rollq.workers.datasets.table.columns import TableColumns
from rollq.workers.expressions.span import latest

MOST_LATE = 0.1  # of the instruments, beside the share of labels that is missing anyway
MOST_LEFT_OUT = 0.1  # of the sessions; where more are odd, the thresholds or the file are
FEATURES_KEY, LABEL_KEY = "dataset.kwargs.features", "dataset.kwargs.label"
BLOCK = 2**14  # rows that are looked at together


def check_left_out(findings: Sequence[Finding], sessions: int) -> None:
    """Refuse data of which too much is odd.

    Raises:
        DataError: it is.
    """
    odd = [one for one in findings if one.left_out]
    days = {one.session for one in odd}
    if len(days) > MOST_LEFT_OUT * (len(days) + sessions):
        raise DataError(
            f"{KEY}: {len(days)} of {len(days) + sessions} sessions are odd: {some(odd)}.",
            "See `rollq data check TEMPLATE`; repair the data, or set other thresholds: data_checks.",
        )


def check_features(features: npt.NDArray[np.float32], names: Sequence[str], where: str) -> None:
    """Refuse a feature without a value.

    Raises:
        DataError: there is one.
    """
    empty = np.ones(len(names), dtype=bool)
    # In blocks, and no further than needed: nearly all features have a value in the first of them.
    for first in range(0, len(features), BLOCK):
        empty[empty] = np.isnan(features[first : first + BLOCK][:, empty]).all(axis=0)
        if not empty.any():
            return
    name = names[int(empty.argmax())]
    raise DataError(f"{FEATURES_KEY}: {name} is NaN {where}.", "Use a shorter window, or start train later.")


def check_panel(panel: Panel, plan: TablePlan, columns: TableColumns) -> None:
    """Refuse a panel that no model can learn from, or that would let it see what it shall predict.

    Raises:
        DataError: a feature or the label has no value, weights are negative or none, a feature, a rule or the weight
            uses the label before it is known, or the label is known earlier or later than it says.
    """
    check_features(panel.features, list(plan.features), "in the whole table")
    if np.isnan(panel.raw).all():
        key = plan.plan.label.key
        raise DataError(f"{key}: it is NaN everywhere.", "Use a shorter horizon, or look at its columns.")
    if panel.weight is not None and (panel.weight < 0).any():
        raise DataError("dataset.kwargs.weight: there are negative weights.", "Give one that is 0 or more.")
    if panel.weight is not None and not (panel.weight > 0).any():
        raise DataError("dataset.kwargs.weight: no row has a weight.", "Look at its column.")
    _check_own_columns(plan)
    _check_declared(panel, plan, columns)


def _check_own_columns(plan: TablePlan) -> None:
    """Refuse what uses the label before it is known: a feature, a rule of the universe, a weight."""
    for key, what, expression in plan.past_by_key:
        for column in expression.columns:
            if column not in plan.unknown_yet:
                continue
            declared = plan.plan.label.declared
            if declared and (expression.last_of(column) + declared).forward:
                raise DataError(
                    f"{key}: {what} uses {column} before it is known, which is {declared} later than its row.",
                    f"Use earlier rows: lag({column}, {declared}), in the unit of lookahead.",
                )
            if not declared and expression.looks_at_own_row(column):
                raise DataError(
                    f"{key}: {what} uses {column} of its own row, which is what shall be predicted.",
                    f"Use earlier rows: lag({column}, 1). If it is known in advance, name it in known_ahead.",
                )


def _check_declared(panel: Panel, plan: TablePlan, columns: TableColumns) -> None:
    """Refuse a label whose last values are known at another time than its column says."""
    label = plan.plan.label
    if label.column is None:
        return
    end = len(panel.times) - 1
    there = ~np.isnan(panel.raw)
    last = int(panel.time_of[np.flatnonzero(there)[-1]])
    known = latest(panel.times, np.arange(len(panel.times)), label.declared)
    if known[last] > end:
        raise DataError(
            f"{LABEL_KEY}.lookahead: {_stands(panel, label.column, last)}, and would be known {label.declared} later, "
            "after the end of the table.",
            f"Leave out what is not known yet, or say how far it looks ahead: {end - last}.",
        )
    present = end - _rows_ahead(panel, plan, columns)
    lasts = _last_labels(panel, there, present)
    late = lasts[lasts < present]
    late = late[known[late + 1] <= present]
    # Of many instruments some lack labels as everywhere; more than that look further ahead than they say.
    earlier = panel.time_of < present
    if len(late) > len(lasts) * (MOST_LATE + float(np.mean(~there[earlier])) if len(lasts) > 1 else 0):
        last = int(np.median(late))
        raise DataError(
            f"{LABEL_KEY}.lookahead: {_stands(panel, label.column, last)}, {present - last} rows before the end: later "
            f"than {label.declared}{f', of {len(late)} of {len(lasts)} instruments' if len(lasts) > 1 else ''}.",
            f"It looks further ahead than it says, or values are missing: lookahead: {present - last}.",
        )


def _stands(panel: Panel, column: str, last: int) -> str:
    return f"the last value of {column} stands at {panel.times[last]:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _last_labels(panel: Panel, there: npt.NDArray[np.bool_], present: int) -> npt.NDArray[np.int64]:
    """The position of the last known label of each instrument that has rows until the present, and any label."""
    found = np.full(len(panel.instruments), -1)
    np.maximum.at(found, panel.instrument_of[there], panel.time_of[there])
    here = np.zeros(len(found), dtype=bool)
    here[panel.instrument_of[panel.time_of == present]] = True
    return found[here & (found >= 0)]


def _rows_ahead(panel: Panel, plan: TablePlan, columns: TableColumns) -> int:
    """How many of the last times hold only what is known in advance, and lie behind the present."""
    known = plan.plan.known_ahead
    most = max((int(latest(panel.times, np.array([0]), span)[0]) for span in known.values()), default=0)
    others = [name for name in plan.used if name not in known and name != plan.plan.label.column]
    if not most or not others:
        return most
    seen = np.zeros(len(panel.times), dtype=bool)
    for name in others:
        seen[panel.time_of[columns.values(name, slice(None)).notna()]] = True
    return min(most, len(seen) - 1 - int(np.flatnonzero(seen)[-1])) if seen.any() else most
