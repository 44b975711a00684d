"""The page of a round."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from html import escape
from pathlib import Path

from rollq.report.compared import compared_section
from rollq.report.data import Bounds, ReportData, Window, duration
from rollq.report.frame import UNKNOWN, drawn, number, table, tile, versions, write_page
from rollq.report.measured import TILES, measured
from rollq.tasks.predictions.directions import marked
from rollq.tasks.queue.states import TaskState

TEXT = ("status", "train", "valid", "test")
COLUMNS = ("#", *TEXT, "attempts", "seconds")
BAD = {TaskState.FAILED, TaskState.QUARANTINED}


def write_report(data: ReportData, path: Path) -> Path:
    """Write the page of a round to ``path``; returns it.

    Raises:
        Unavailable: plotly, which draws the charts, is not installed.
    """
    return write_page(
        path,
        "page.html",
        {
            **_drawn(data),
            "compared": compared_section(data),
            "measured": measured(data),
            "windows": _windows(data),
            "signals": escape(signals_line(data)),
        },
        title=data.title,
        facts=facts(data),
        tiles=(tile(name, value, name == "failed") for name, value in tiles(data)),
        foot=versions(data.versions, data.cores),
    )


def tiles(data: ReportData) -> Iterable[tuple[str, str]]:
    """The headline numbers: (name, value)."""
    done = sum(window.status == TaskState.DONE for window in data.windows)
    failed = sum(window.status in BAD for window in data.windows)
    yield "windows done", f"{done} of {len(data.windows)}"
    if failed:
        yield "failed", str(failed)
    for name in data.measured[:TILES]:
        yield marked(name, data.better), number(data.metrics.get(name))
    total = sum(seconds for _, seconds in data.phases)
    yield "in all", duration(total) if data.phases else UNKNOWN
    yield "workers busy", _busy(data)


def _busy(data: ReportData) -> str:
    """The share of the training that the workers spent on windows, from the first start to the last end."""
    ran = [window for window in data.windows if window.ran]
    if not ran:
        return UNKNOWN
    span = max(window.began + window.seconds for window in ran) - min(window.began for window in ran)
    # Those that trained: one that had nothing to do is not counted as idle.
    workers = len({window.worker for window in ran})
    return f"{sum(window.seconds for window in ran) / (span * workers):.0%}" if span else UNKNOWN


def _drawn(data: ReportData) -> dict[str, str]:
    """The charts as HTML, by their place on the page."""
    from rollq.report import charts

    return drawn(
        {
            "timeline": charts.timeline(data),
            "phases": charts.phases(data),
        }
    )


def facts(data: ReportData) -> str:
    """What was written when, and what of it serves."""
    return f"Pool {data.pool}. Online: {data.online}. Written {data.generated_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."


def signals_line(data: ReportData) -> str:
    """What the signals are."""
    signals = data.signals
    if not signals.get("rows"):
        return "No signals were written."
    rows = signals["rows"]
    shown = f"{rows:,}" if isinstance(rows, int) else rows
    return f"Signals: {shown} rows, {signals.get('start')} to {signals.get('end')}, SHA-256 {signals.get('sha256')}"


def _windows(data: ReportData) -> str:
    bad = {place for place, window in enumerate(data.windows) if window.status in BAD}
    rows = (window_row(window, data.measured) for window in data.windows)
    return table("Windows", columns(data), rows, text=TEXT, bad=bad, kind="windows", tall=True)


def columns(data: ReportData) -> list[str]:
    """Of the table of windows."""
    return [*COLUMNS, *(marked(name, data.better) for name in data.measured)]


def window_row(window: Window, metrics: Iterable[str]) -> list[str]:
    """The cells of a window, as ``columns`` names them."""
    cells = [
        f"{window.index} {window.member}".rstrip(),
        window.status,
        _span(window.train),
        _span(window.valid),
        _span(window.test),
    ]
    cells += [str(window.attempts), f"{window.seconds:.2f}" if window.ran else UNKNOWN]
    return cells + [number(window.metrics.get(name)) for name in metrics]


def _span(bounds: Bounds) -> str:
    return f"{bounds[0] or ''} to {bounds[1] or 'open'}" if any(bounds) else UNKNOWN
