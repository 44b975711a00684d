"""The report's page: one HTML file that needs nothing else, neither a network nor a server."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC
from html import escape
from pathlib import Path
from string import Template

from rollq.report.data import Bounds, ReportData, Window, duration
from tasks.errors import Unavailable

PAGE = Path(__file__).with_name("page.html")
METRICS = ("IC", "ICIR", "Rank IC", "Rank ICIR")
COLUMNS = ("#", "status", "train", "valid", "test", "attempts", "seconds", *METRICS)
BAD = {"FAILED", "QUARANTINED"}
CONFIG = {"displayModeBar": False, "responsive": True}
UNKNOWN = "–"


def write_report(data: ReportData, path: Path) -> Path:
    """Write the page of a round to ``path``; returns it.

    Raises:
        Unavailable: plotly, which draws the charts, is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise Unavailable("The report needs plotly.", "Install it with: pip install 'rollq[local]'.") from error
    content = Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(data.title),
        facts=escape(_facts(data)),
        plotly=get_plotlyjs(),
        tiles="".join(_tile(name, value, name == "failed") for name, value in tiles(data)),
        rows="".join(_row(window) for window in data.windows),
        head="".join(f"<th scope='col'>{escape(name)}</th>" for name in COLUMNS),
        signals=escape(_signals(data)),
        foot=escape(_foot(data)),
        **_drawn(data),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def tiles(data: ReportData) -> Iterable[tuple[str, str]]:
    """The headline numbers: (name, value)."""
    done = sum(window.status == "DONE" for window in data.windows)
    failed = sum(window.status in BAD for window in data.windows)
    yield "windows done", f"{done} of {len(data.windows)}"
    if failed:
        yield "failed", str(failed)
    for name in METRICS:
        yield name, _number(data.metrics.get(name))
    total = sum(seconds for _, seconds in data.phases)
    yield "in all", duration(total) if data.phases else UNKNOWN
    yield "workers busy", _busy(data)


def _busy(data: ReportData) -> str:
    """The share of the training that the workers spent on windows, from the first start to the last end."""
    ran = [window for window in data.windows if window.ran]
    if not ran:
        return UNKNOWN
    span = max(window.began + window.seconds for window in ran) - min(window.began for window in ran)
    workers = len({window.worker for window in ran})
    return f"{sum(window.seconds for window in ran) / (span * workers):.0%}" if span else UNKNOWN


def _drawn(data: ReportData) -> dict[str, str]:
    """The charts as HTML, by their place on the page."""
    from rollq.report import charts

    drawn = {
        "timeline": charts.timeline(data),
        "per_window": charts.per_window(data),
        "cumulative": charts.cumulative(data),
        "phases": charts.phases(data),
    }
    return {
        name: figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=CONFIG)
        if figure
        else "<p class='none'>There is nothing to show.</p>"
        for name, figure in drawn.items()
    }


def _facts(data: ReportData) -> str:
    return f"Pool {data.pool}. Online: {data.online}. Written {data.generated_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."


def _foot(data: ReportData) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in data.versions.items())
    return f"{versions}; {data.cores} core{'' if data.cores == 1 else 's'}"


def _signals(data: ReportData) -> str:
    signals = data.signals
    if not signals.get("rows"):
        return "No signals were written."
    rows = signals["rows"]
    shown = f"{rows:,}" if isinstance(rows, int) else rows
    return f"Signals: {shown} rows, {signals.get('start')} to {signals.get('end')}, SHA-256 {signals.get('sha256')}"


def _tile(name: str, value: str, bad: bool) -> str:
    return f"<div class='tile{' bad' if bad else ''}'><b>{escape(value)}</b><span>{escape(name)}</span></div>"


def _row(window: Window) -> str:
    cells = [str(window.index), window.status, _span(window.train), _span(window.valid), _span(window.test)]
    cells += [str(window.attempts), f"{window.seconds:.2f}" if window.ran else UNKNOWN]
    cells += [_number(window.metrics.get(name)) for name in METRICS]
    kind = " class='bad'" if window.status in BAD else ""
    return f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"


def _span(bounds: Bounds) -> str:
    return f"{bounds[0] or ''} to {bounds[1] or 'open'}" if any(bounds) else UNKNOWN


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:.4f}".replace("-", "−")
