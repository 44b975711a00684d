"""The part of a report that compares the model with its challengers, on the rows that both predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

from rollq.report.data import ReportData
from rollq.report.frame import UNKNOWN, number, table
from rollq.scheduler.champions.comparison import TURNOVER, Comparison
from rollq.scheduler.champions.side_by_side import difference_of, metric_names, side_names
from rollq.tasks.predictions.directions import HIGHER, LOWER, marked

TITLE = "Compared on the same rows"
DIFFERENCE = "difference"
SIGNS = {HIGHER: 1, LOWER: -1}
Rows = tuple[str, list[str], list[list[str]]]  # what is compared, columns, and cells


def compared_section(data: ReportData) -> str:
    """The section as HTML; empty, if nothing was compared."""
    parts = [f"<p>{escape(line)}</p>" for line in said(data)]
    for about, columns, rows in compared_rows(data):
        text = [name for name in columns if name.startswith(DIFFERENCE)]
        parts.append(f"<p>{escape(about)}</p>{table(TITLE, columns, rows, text=['metric', *text])}")
    return f"<section><h2>{TITLE}</h2>{''.join(parts)}</section>\n" if parts else ""


def said(data: ReportData) -> list[str]:
    """How the tables are to be read, and what is not in them."""
    lines = []
    if data.compared:
        lines.append(
            "The difference is challenger less model, the mean over sessions, with its interval; "
            "better, worse or different: the interval excludes 0."
        )
    lines += [f"{name} is not compared: {why}" for name, why in data.apart.items()]
    # Several comparisons may leave out the same record.
    left_out = {name: why for one in data.compared for name, why in one.left_out.items()}
    return lines + [f"{name} measured nothing: {why}" for name, why in left_out.items()]


def compared_rows(data: ReportData) -> list[Rows]:
    """A table for all challengers that were compared on the same rows; one of its own for one that lacks some."""
    return [_rows(list(alike)) for _, alike in groupby(data.compared, key=_basis)]


def _basis(one: Comparison) -> tuple[object, ...]:
    return one.champion, one.start, one.end, one.sessions, one.rows, _text(one.metrics[one.champion])


def _text(metrics: Mapping[str, float | None]) -> str:
    """Of the same rows the same: what was left out of one comparison may be in another."""
    return ",".join(f"{name} {number(value)}" for name, value in metrics.items())


def _rows(alike: Sequence[Comparison]) -> Rows:
    """A column for the model, and two for each challenger: its metric, and its difference."""
    first = alike[0]
    columns = ["metric", first.champion]
    for one in alike:
        name = side_names(one)[one.challenger]
        columns += [name, f"{DIFFERENCE} {name}" if len(alike) > 1 else DIFFERENCE]
    rows = []
    names = dict.fromkeys(name for one in alike for name in metric_names(one))
    for name in [*(name for name in names if name != TURNOVER), TURNOVER]:
        cells = [marked(name, first.better), number(first.metrics[first.champion].get(name))]
        for one in alike:
            cells += [number(one.metrics[one.challenger].get(name)), _difference(one, name)]
        rows.append(cells)
    confidence = next((f"{found.confidence:.0%} " for found in first.difference.values()), "")
    about = f"{first.rows:,} rows of {first.sessions} sessions, {first.start} to {first.end}; {confidence}intervals."
    return about, columns, rows


def _difference(one: Comparison, name: str) -> str:
    """Its mean, its interval, and what that says."""
    gap, interval = difference_of(one, name), one.difference.get(name)
    if gap is None:
        return UNKNOWN
    if interval is None:
        return _signed(gap)
    shown = f"{_signed(gap)} ({_signed(interval.low)} to {_signed(interval.high)})"
    if not interval.excludes_zero:
        return shown
    direction = SIGNS.get(one.better.get(name, ""), 0) * (1 if gap > 0 else -1)
    return f"{shown} {('worse', 'different', 'better')[direction + 1]}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")
