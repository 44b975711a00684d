"""A hash of each session, of the rows of each group alone: so that a revision of one changes no model of another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.files.shared_cache import keep_text
from rollq.tasks.rolling.data_checks import left_out
from rollq.workers.datasets.plan.plan import TablePlan
from rollq.workers.datasets.table.looked import findings_of
from rollq.workers.datasets.table.session_hashes import SessionHashes
from rollq.workers.datasets.table.table_rows import TableRows, look_at_rows
from rollq.workers.datasets.table.wide_table import AT_ONCE
from rollq.workers.tables.table import Table

VERSION = 1  # raise it when something else is hashed
Groups = Mapping[str, Mapping[str, str]]  # by group: the hash of each session, by its date


def group_hashes(
    table: Table, plan: TablePlan, name: str | None, value: str, whole: Mapping[str, str], cache_dir: Path
) -> dict[str, str]:
    """The hash of each session, of the rows of one group; those of all groups are found in one look at the table.

    Args:
        name: of the column of groups; None: each instrument is one.
        value: the group.
        whole: the hashes of all rows. They are those of a group, too, where it cannot be seen alone: because
            instruments change it, or because what is computed looks at others.

    Raises:
        DataError: the table cannot be read.
    """
    groups = _groups(table, plan, name, cache_dir) if plan.is_apart else None
    return dict(whole) if groups is None else {day: groups.get(value, {}).get(day, "") for day in whole}


def _groups(table: Table, plan: TablePlan, name: str | None, cache_dir: Path) -> Groups | None:
    """The hashes of all groups, from the cache if they are there; None if an instrument has been in several."""
    out = left_out(findings_of(table, plan, cache_dir))
    parts = [VERSION, table.fingerprint(), plan.read_as, plan.used, plan.plan.universe.names, name]
    checks = [plan.plan.checks.name, plan.plan.checks.accept, plan.price, sorted(out)]
    kept = cache_dir / f"groups-{hashlib.sha256(json.dumps([*parts, *checks]).encode()).hexdigest()[:24]}.json"
    try:
        found: Groups | None = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        rows = look_at_rows(table, plan.looked_at, plan.plan.checks, out, plan.price is not None)
        found = _found(table, plan, rows, name)
        keep_text(kept, json.dumps(found))
    return found


def _found(table: Table, plan: TablePlan, rows: TableRows, name: str | None) -> Groups | None:
    """The hashes of all groups; None if an instrument has been in several."""
    groups, instruments = _groups_of(table, rows, name), rows.index.codes[1]
    pairs = pd.DataFrame({"group": groups, "instrument": instruments})[rows.kept].dropna().drop_duplicates()
    if pairs["instrument"].duplicated().any():
        return None
    # A row without a group, such as one of the time before it had one, belongs to that of its instrument.
    group_of = pairs.set_index("instrument")["group"].reindex(range(len(rows.index.levels[1])))
    own = group_of.to_numpy()[instruments]
    hashes = {
        str(group): SessionHashes(pd.DatetimeIndex(rows.index.levels[0])) for group in sorted(set(pairs["group"]))
    }
    places = {group: np.flatnonzero((own == group) & rows.kept) for group in hashes}
    for first in range(0, len(plan.used), AT_ONCE):
        frame = table.frame(list(plan.used[first : first + AT_ONCE]))
        for group, place in places.items():
            hashes[group].add(frame.iloc[place])
    return {group: found.found() for group, found in hashes.items()}


def _groups_of(table: Table, rows: TableRows, name: str | None) -> npt.NDArray[np.object_]:
    """The group of each row of the table, as a text."""
    if name is None:
        texts: npt.NDArray[np.object_] = rows.index.levels[1].astype(str).to_numpy(object)[rows.index.codes[1]]
        return texts
    values = table.frame([name])[name]
    if isinstance(values.dtype, pd.CategoricalDtype):
        return np.asarray(values.astype(object))
    distinct, inverse = np.unique(values.to_numpy(), return_inverse=True)
    found = [
        None if np.isnan(one) else str(int(one)) if float(one).is_integer() else repr(float(one)) for one in distinct
    ]
    return np.array(found, dtype=object)[inverse]
