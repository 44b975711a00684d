"""The page of a simulation: which model was online when, and how good the signals were."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from html import escape
from pathlib import Path

import pandas as pd

from rollq.report.data import duration
from rollq.report.frame import NOTHING, UNKNOWN, drawn, number, table, tile, versions, write_page
from rollq.simulation.data import OnlineData, Track, monthly, span
from rollq.tasks.predictions.session_days import sessions_in

METRICS = ("IC", "ICIR", "Rank IC", "Rank ICIR")
SHOWN = 20  # holes that are named of a strategy


def write_online_page(data: OnlineData, path: Path) -> Path:
    """Write the page of a simulation to ``path``; returns it.

    Raises:
        Unavailable: plotly, which draws the charts, is not installed.
    """
    parts = {
        **_drawn(data),
        "measured": escape(_measured(data)),
        "summary": _summary(data),
        "months": _months(data),
        "covered": escape(_covered(data)),
        "coverage": _coverage(data),
        "ledger": _ledger(data),
        "trained": escape(_trained(data)),
        "known": _known(data),
    }
    written = f"Written {data.generated_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    return write_page(
        path,
        "online_page.html",
        parts,
        title=data.title,
        facts=f"Simulation of {data.begin} to {data.end}, named {data.name}. {written}",
        tiles=(tile(name, value, name == "holes") for name, value in tiles(data)),
        foot=versions(data.versions, data.cores),
    )


def tiles(data: OnlineData) -> Iterable[tuple[str, str]]:
    """The headline numbers: (name, value)."""
    yield "strategies", str(len(data.tracks))
    yield "online sets", str(sum(len(track.ledger) for track in data.tracks))
    yield "sessions", str(max((track.coverage.expected for track in data.series), default=0))
    holes = sum(len(track.coverage.holes) for track in data.tracks)
    if holes:
        yield "holes", str(holes)
    for track in data.series:
        yield f"Rank IC, {track.label}", number(track.metrics.get("Rank IC"))
    yield "in all", duration(sum(seconds for _, seconds in data.phases)) if data.phases else UNKNOWN


def _drawn(data: OnlineData) -> dict[str, str]:
    """The charts by the names that ``online_page.html`` has for them."""
    from rollq.report import charts
    from rollq.simulation import charts as online_charts

    return drawn(
        {
            "served": online_charts.served(data),
            "monthly_rank_ic": online_charts.by_month(data, "rank_ic", "Rank IC"),
            "monthly_ic": online_charts.by_month(data, "ic", "IC"),
            "cumulative": online_charts.cumulative(data),
            "phases": charts.phases(data),
        }
    )


def _measured(data: OnlineData) -> str:
    said = "Published signals against the labels as they are, day by day; sessions whose label is not known yet are "
    return " ".join([f"{said}left out.", *data.notes])


def _summary(data: OnlineData) -> str:
    """A row for each strategy, and for the ensemble: metrics, and how many models, sessions and labels stand behind
    them.
    """
    rows = [
        [
            track.label,
            *(number(track.metrics.get(name)) for name in METRICS),
            UNKNOWN if track.models is None else str(track.models),
            str(track.coverage.covered),
            str(len(sessions_in(track.daily.dropna()))),
        ]
        for track in data.series
    ]
    columns = ("strategy", *METRICS, "models", "sessions", "measured")
    return table("How good the signals were", columns, rows, text=("strategy",))


def _months(data: OnlineData) -> str:
    means = [monthly(track.daily) for track in data.series]
    # The newest first, as a reader wants it.
    months = sorted({month for found in means for month in found.index}, reverse=True)
    if not months:
        return NOTHING
    columns = ["month", *(f"{name}, {track.label}" for track in data.series for name in ("IC", "Rank IC")), "sessions"]
    rows = [[month, *_month(means, month)] for month in months]
    return table("Month by month", columns, rows, text=("month",), tall=True)


def _month(means: list[pd.DataFrame], month: str) -> list[str]:
    known = [found.loc[month] if month in found.index else {} for found in means]
    cells = [number(found.get(column)) for found in known for column in ("ic", "rank_ic")]
    return [*cells, str(int(max(found.get("days", 0) for found in known)))]


def _covered(data: OnlineData) -> str:
    if any(track.coverage.holes for track in data.series):
        return "Not every session and instrument is covered by the signals."
    return "Every session is covered by the signals of exactly one model of each strategy."


def _coverage(data: OnlineData) -> str:
    rows = [
        [track.label, str(track.coverage.expected), str(track.coverage.covered), _holes(track)] for track in data.series
    ]
    bad = {place for place, track in enumerate(data.series) if track.coverage.holes}
    columns = ("strategy", "sessions", "covered", "holes")
    return table("Coverage", columns, rows, text=("strategy", "holes"), bad=bad)


def _holes(track: Track) -> str:
    holes = track.coverage.holes
    more = f" and {len(holes) - SHOWN} more" if len(holes) > SHOWN else ""
    return ", ".join(holes[:SHOWN]) + more if holes else "none"


def _ledger(data: OnlineData) -> str:
    """The online sets of all strategies; times to the second, because sets of a simulation follow each other
    closely.
    """
    rows = [
        [
            track.label,
            str(row.version),
            row.session,
            f"{row.since:%Y-%m-%d %H:%M:%S}",
            span(row.window) if row.window else UNKNOWN,
            row.champion,
            row.why,
        ]
        for track in data.tracks
        for row in track.ledger
    ]
    if not rows:
        return NOTHING
    columns = ("strategy", "version", "from session", "since (UTC)", "newest window", "champion", "why")
    return table("Ledger", columns, rows, text=set(columns) - {"version"}, tall=True)


def _trained(data: OnlineData) -> str:
    if not data.trained:
        return ""
    return f"Training all {data.trained} windows took {duration(data.train_seconds)} of work; it is not done twice."


def _known(data: OnlineData) -> str:
    rows = [["data, SHA-256", one] for one in data.data]
    rows += [["code", one] for one in data.code]
    for track in data.series:
        rows += [[f"signals of {track.label}, SHA-256", one] for one in track.sha256]
        rows += [[f"name of {track.label} in the ledgers", track.name]]
    return table("Facts", ("what", "value"), rows, text=("what", "value"), kind="free")
