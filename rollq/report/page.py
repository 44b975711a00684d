"""The report's page: one HTML file that needs nothing else, neither a network nor a server."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

from rollq.report import charts
from rollq.report.data import Bounds, ReportData, Window

PAGE = Path(__file__).with_name("page.html")
COLUMNS = ("#", "train", "valid", "test", "status", "attempts", "seconds", "IC", "ICIR", "Rank IC", "Rank ICIR")


def write_report(data: ReportData, path: Path) -> Path:
    """Write the page of a round to ``path``; returns it."""
    import plotly.offline

    drawn = {
        "timeline": charts.timeline(data),
        "per_window": charts.per_window(data),
        "cumulative": charts.cumulative(data),
        "phases": charts.phases(data),
    }
    figures = {
        name: figure.to_html(
            full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
        )
        if figure
        else "<p class='none'>There is nothing to show.</p>"
        for name, figure in drawn.items()
    }
    content = Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(data.title),
        pool=escape(data.pool),
        online=escape(data.online),
        generated=f"{data.generated_at:%Y-%m-%d %H:%M} UTC",
        plotly=plotly.offline.get_plotlyjs(),
        tiles="".join(_tile(name, value) for name, value in tiles(data)),
        rows="".join(_row(window) for window in data.windows),
        head="".join(f"<th>{escape(name)}</th>" for name in COLUMNS),
        signals=escape(_signals(data)),
        foot=escape(", ".join(f"{name} {value}" for name, value in data.versions.items()) + f"; {data.cores} cores"),
        **figures,
    )
    path.write_text(content, encoding="utf-8")
    return path


def tiles(data: ReportData) -> Iterable[tuple[str, str]]:
    """The headline numbers: (name, value)."""
    done = sum(window.status == "DONE" for window in data.windows)
    yield "windows done", f"{done} of {len(data.windows)}"
    for name in ("IC", "ICIR", "Rank IC", "Rank ICIR"):
        yield name, _number(data.metrics.get(name))
    yield "seconds in all", f"{sum(seconds for _, seconds in data.phases):.1f}"


def _signals(data: ReportData) -> str:
    signals = data.signals
    span = f"{signals.get('rows')} rows, {signals.get('start')} to {signals.get('end')}"
    return f"{span}, SHA-256 {signals.get('sha256')}"


def _tile(name: str, value: str) -> str:
    return f"<div class='tile'><b>{escape(value)}</b><span>{escape(name)}</span></div>"


def _row(window: Window) -> str:
    seconds = ""
    if window.started_at and window.ended_at:
        seconds = f"{(window.ended_at - window.started_at).total_seconds():.2f}"
    cells = [str(window.index), _span(window.train), _span(window.valid), _span(window.test), window.status]
    cells += [str(window.attempts), seconds]
    cells += [_number(window.metrics.get(name)) for name in COLUMNS[-4:]]
    kind = "" if window.status == "DONE" else " class='bad'"
    return f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _span(bounds: Bounds) -> str:
    return f"{bounds[0] or ''} to {bounds[1] or 'open'}" if any(bounds) else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
