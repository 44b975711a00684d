"""The panel of a table: features, label and weights of the rows of its universe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.errors import DataError
from rollq.tasks.predictions.day_hashes import DIGITS
from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.rolling.data_checks import left_out
from rollq.workers.datasets.panel_cache import Panel, kept_panel
from rollq.workers.datasets.panel_writer import LAYOUT, PanelWriter
from rollq.workers.datasets.plan.plan import TablePlan
from rollq.workers.datasets.prices import KEY
from rollq.workers.datasets.table.categories import Level, coded
from rollq.workers.datasets.table.looked import findings_of
from rollq.workers.datasets.table.table_rows import look_at_rows
from rollq.workers.datasets.table.wide_table import WideTable, spread
from rollq.workers.expressions.evaluation import evaluate
from rollq.workers.expressions.expression import Expression
from rollq.workers.expressions.functions.own import sources_of_own
from rollq.workers.expressions.grid import Grid
from rollq.workers.tables.table import Table

VERSION = 2  # raise it when a feature, label or weight is computed differently
BLOCK = 256  # times that are ranked at once
Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def load_table_panel(table: Table, plan: TablePlan, cache_dir: Path) -> Panel:
    """The panel, from the cache if it is there and whole. One process computes it, others wait.

    Raises:
        DataError: the table cannot be read, or nothing of the universe is in it.
        TemplateError: the plan names what the table does not have.
        NotYet: a file was replaced meanwhile.
        Unavailable: the cache cannot be written.
    """
    table.check_numbers(plan.numbers)
    out = left_out(findings_of(table, plan, cache_dir))
    checks = plan.plan.checks
    parts = [
        VERSION,
        LAYOUT,
        table.fingerprint(),
        plan.read_as,
        plan.plan.written,
        plan.price,
        checks.name,
        checks.accept,
    ]
    made = [plan.weight.text if plan.weight else None, sorted(plan.columns), sorted(out)]
    own = sources_of_own({**plan.plan.written, "weight": plan.weight.text if plan.weight else None})
    key = hashlib.sha256(json.dumps([*parts, *made, *own.items()]).encode()).hexdigest()[:24]
    return kept_panel(cache_dir / f"panel-{key}", lambda writer: _build(table, plan, out, writer))


def _build(table: Table, plan: TablePlan, out: Collection[str], writer: PanelWriter) -> None:
    """A row for each member, in the order of times, then instruments; feature by feature."""
    rows = look_at_rows(table, plan.looked_at, plan.plan.checks, out, plan.price is not None)
    if not rows.kept.any():
        raise DataError(f"{KEY}: no session of the table can be used.", "See `rollq data check TEMPLATE`.")
    names = plan.plan.universe.names
    wide = spread(table, rows, plan.used, names, writer.scratch("wide"), plan.price, plan.numbers)
    # As in a price file, an instrument without a price has no row: it cannot be bought.
    present = wide.present if plan.price is None else wide.present & ~np.isnan(wide[plan.price])
    grid = Grid(wide.times, wide.instruments, wide, present)
    member = plan.plan.universe.members(grid, plan.columns)
    grid = replace(grid, member=member)
    time_of, instrument_of = (part.astype(np.int32) for part in np.nonzero(member))
    levels: dict[str, list[Level]] = {}
    for name, values in evaluate(plan.features, grid):
        if name in plan.plan.categorical:
            column = _category_names(plan.features[name], wide)
            codes, levels[name] = coded(values[member], time_of, column)
            writer.add_feature(codes)
        else:
            writer.add_feature(_ranked(values, member, plan.plan.rank)[member])
    raw = _label(plan, grid)
    ranks = plan.plan.rank and plan.plan.label.classes is None
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "time_of": time_of,
        "instrument_of": instrument_of,
        "label": _ranked(raw, member, ranks)[member].astype(np.float32),
        "raw": raw[member].astype(np.float32),
        "content": _content(wide),
    }
    if plan.weight is not None:
        weight = next(evaluate({"": plan.weight}, grid))[1]
        arrays["weight"] = _ranked(weight, member, False)[member].astype(np.float32)
    writer.finish(wide.times, list(wide.instruments), arrays, levels)


def _category_names(expression: Expression, wide: WideTable) -> list[str] | None:
    """The names of the categories of a feature that is a column of texts."""
    return wide.levels.get(expression.column or "")


def _label(plan: TablePlan, grid: Grid) -> Values:
    """The label before it is normalised: times x instruments, NaN where it is not known."""
    values = next(evaluate({"": plan.label}, grid))[1]
    other = plan.against
    if other is not None:
        less = next(evaluate({"": other}, grid))[1] if isinstance(other, Expression) else other
        values = _minus(values, less, grid.instruments, plan.plan.label.key)
    member = np.ones(grid.shape, bool) if grid.member is None else grid.member
    clean = _ranked(values, member, False)
    return clean if plan.plan.label.classes is None else _classes(clean, plan.plan.label.classes)


def _minus(values: Values, other: Values | str, instruments: pd.Index, key: str) -> Values:
    """A label without that of the benchmark: of one that each row has, or of an instrument."""
    if isinstance(other, str):
        if other not in instruments:
            fix = "Name an instrument or a column of the table."
            raise DataError(f"{key}.residual.to: there is no {other!r}.", fix)
        place = int(instruments.get_indexer([other])[0])
        other = values[:, [place]]
    found: Values = values - other
    return found


def _classes(values: Values, classes: int) -> Values:
    """The class of each value among those of its time, from 0; equal values have the same one."""
    for first in range(0, len(values), BLOCK):
        block = pd.DataFrame(values[first : first + BLOCK])
        ranks, counts = block.rank(axis=1).to_numpy(), block.count(axis=1).to_numpy()[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            # Less than half a rank in any table: rounding must not lift a value into the next class.
            values[first : first + BLOCK] = np.ceil(ranks * classes / counts - 1e-9) - 1
    return values


def _ranked(values: Values, member: Flags, rank: bool) -> Values:
    """A copy in which only members have a value, and only those that are finite as float32, which panels are of;
    ``rank``: their ranks at each time, in (-0.5, 0.5].
    """
    with np.errstate(over="ignore"):
        clean = np.where(member & np.isfinite(values.astype(np.float32)), values, np.nan)
    if rank:
        for first in range(0, len(clean), BLOCK):
            # In blocks and in place: ranks of a whole matrix need several times its size.
            block = pd.DataFrame(clean[first : first + BLOCK])
            clean[first : first + BLOCK] = block.rank(axis=1, pct=True).to_numpy() - 0.5
    return clean


def _content(wide: WideTable) -> npt.NDArray[np.bytes_]:
    """The hash of each session, in their order."""
    days = np.datetime_as_string(session_days(wide.times).unique().to_numpy("datetime64[D]")).tolist()
    return np.array([wide.content.get(day, "") for day in days], dtype=f"S{DIGITS}")
