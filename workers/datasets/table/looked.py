"""What is odd about a table, by session: duplicates, dates, and, where a column is a price, its prices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from rollq.tasks.components.dataset import Finding
from rollq.tasks.files.shared_cache import keep_text
from rollq.tasks.rolling.data_checks import DUPLICATE, JOIN, DataChecks
from rollq.workers.datasets.plan.plan import TablePlan
from rollq.workers.datasets.session_checks import find
from rollq.workers.datasets.session_dates import far, find_future
from rollq.workers.datasets.table.reach import Reach
from rollq.workers.datasets.table.table_rows import TableRows, look_at_rows
from rollq.workers.tables.table import Table

VERSION = 3  # raise it when something else is found odd
SHOWN = 3  # rows that are named


def findings_of(table: Table, plan: TablePlan, cache_dir: Path) -> tuple[Finding, ...]:
    """What is odd about a table today, by session.

    Raises:
        DataError: the table cannot be read.
    """
    sessions, ahead, timeless = _looked(table, plan, cache_dir)
    # What lies in the future depends on today, so it is not kept but found each time.
    checks, zone = plan.plan.checks, plan.plan.spec.source.zone
    here = checks if checks.timezone else replace(checks, timezone=zone)  # a day begins where the rows are
    findings = [*timeless, *find_future(sessions, here, ahead=ahead)]
    return tuple(sorted(findings, key=lambda one: (one.session, one.check)))


def sessions_ahead(table: Table, plan: TablePlan, cache_dir: Path) -> int:
    """How many sessions after today are meant to be there, because something of them is known in advance.

    Raises:
        DataError: the table cannot be read.
    """
    return _looked(table, plan, cache_dir)[1]


Looked = tuple[list[str], int, list[Finding]]  # the sessions, how many may be ahead of today, and what is odd


def _looked(table: Table, plan: TablePlan, cache_dir: Path) -> Looked:
    """What was found, from the cache if it is there."""
    checks = plan.plan.checks
    parts = [VERSION, table.fingerprint(), plan.read_as, checks.to_dict()]
    seen = [plan.looked_at, plan.price, plan.plan.universe.names]
    ahead = [sorted((name, str(span)) for name, span in plan.plan.known_ahead.items()), *map(str, plan.known_until)]
    key = hashlib.sha256(json.dumps([*parts, *seen, *ahead]).encode()).hexdigest()[:24]
    kept = cache_dir / f"odd-{key}.json"
    return _read(kept) or _look(table, plan, kept)


def _look(table: Table, plan: TablePlan, kept: Path) -> Looked:
    rows = look_at_rows(table, plan.looked_at, plan.plan.checks)
    sessions = rows.sessions
    times = pd.DatetimeIndex(rows.index.levels[0])
    ahead = _ahead(plan, Reach(times))
    findings = [*_found(table, plan, rows, sessions), *_joins(table, plan, sessions)]
    keep_text(kept, json.dumps({"sessions": sessions, "ahead": ahead, "findings": [asdict(one) for one in findings]}))
    return sessions, ahead, findings


def _ahead(plan: TablePlan, reach: Reach) -> int:
    """How many sessions ahead rows can be predicted: as far as one of the columns is known in advance, if no other one
    that a row is made of is unknown there.
    """
    most = max((reach.ahead_of(span) for span in plan.plan.known_ahead.values()), default=0)
    return min([most, *(reach.ahead_of(span) for span in plan.known_until)])


def _found(table: Table, plan: TablePlan, rows: TableRows, sessions: Sequence[str]) -> list[Finding]:
    """What is odd, whatever the day."""
    checks, one_a_day = plan.plan.checks, len(sessions) == len(rows.index.levels[0])
    if plan.price is None:
        return [*far(pd.Index(sessions), checks), *_twice(rows, checks)]
    # Of several times of a session the last one is its close.
    prices = _prices(table, plan, rows, one_a_day)
    found = find(prices, checks if one_a_day else _without_weekends(checks), plan.plan.universe.names)
    return found if one_a_day else [*found, *_twice(rows, checks)]


def _joins(table: Table, plan: TablePlan, sessions: Sequence[str]) -> list[Finding]:
    """What is odd about joins, whatever the session: it is named with the first one."""
    checks = plan.plan.checks
    said = table.remarks(plan.looked_at) if sessions else []
    return [Finding(sessions[0], JOIN, what, False, checks.accepts(sessions[0], JOIN)) for what in said]


def _prices(table: Table, plan: TablePlan, rows: TableRows, one_a_day: bool) -> pd.DataFrame:
    """Prices as the checks want them: one row per session and instrument, or all where each is there once."""
    bars = plan.bars if one_a_day else []
    frame = table.frame([str(plan.price), *bars])
    prices = pd.DataFrame(
        {
            "datetime": rows.days().astype("datetime64[ns]"),
            "instrument": rows.index.get_level_values(1).astype(str),
            "close": frame[str(plan.price)].to_numpy(),
            **{name: frame[name].to_numpy() for name in bars},
        }
    )
    if one_a_day:
        return prices
    prices = prices[rows.kept & prices["close"].notna().to_numpy()]
    return prices.drop_duplicates(["datetime", "instrument"], keep="last")


def _without_weekends(checks: DataChecks) -> DataChecks:
    return DataChecks(**{**asdict(checks), "weekend": False})


def _twice(rows: TableRows, checks: DataChecks) -> list[Finding]:
    """Sessions with rows that say different things of one time and instrument."""
    if not rows.twice.any():
        return []
    days = rows.days()
    counts: Mapping[str, int] = dict(zip(*np.unique(days, return_counts=True), strict=True))
    found = []
    names = rows.index.get_level_values(1).to_numpy()
    for day in np.unique(days[rows.twice]).tolist():
        odd = np.flatnonzero(rows.twice & (days == day))
        shown = ", ".join(dict.fromkeys(str(names[at]) for at in odd[: 2 * SHOWN]))
        accepted = checks.accepts(day, DUPLICATE)
        out = len(odd) > checks.share * counts[day] and not accepted
        what = f"{len(odd)} rows are there twice, and differ: {shown}"
        found.append(Finding(day, DUPLICATE, what, out, accepted))
    return found


def _read(path: Path) -> Looked | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found["sessions"], found["ahead"], [Finding(**one) for one in found["findings"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
