"""The charts of a simulation, made with plotly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from html import escape

import pandas as pd
import plotly.graph_objects as go

from rollq.report.style import AXIS, BLUE, GREEN, LAYOUT, ORANGE, finite
from rollq.simulation.data import OnlineData, Stay, Track, monthly, span
from rollq.tasks.predictions.row_times import time_texts

PALETTE = (BLUE, ORANGE, "#a855f7", "#14b8a6", "#ec4899", "#84cc16")
SHADES = (1.0, 0.5)  # by turns, so that neighbours can be told apart however many there are
LENGTH = 22  # characters of a name beside a chart; a phone is narrow


def served(data: OnlineData) -> go.Figure | None:
    """Which model served when: a row for each strategy, a bar for each model of each online set."""
    tracks = [track for track in data.tracks if track.stays]
    if not tracks:
        return None
    names = short_names([track.label for track in tracks])
    figure = go.Figure()
    for track, name, colour in zip(tracks, names, _colours(data), strict=False):
        figure.add_bar(
            orientation="h",
            name=name,
            y=[name] * len(track.stays),
            base=[stay.start for stay in track.stays],
            x=[_milliseconds(stay) for stay in track.stays],
            marker={
                "color": colour,
                "opacity": [SHADES[place % len(SHADES)] for place in range(len(track.stays))],
                "line": {"width": 0},
            },
            customdata=[_about(track, stay) for stay in track.stays],
            hovertemplate="%{customdata[0]}, version %{customdata[1]}<br>serves from %{customdata[2]} to before "
            "%{customdata[3]}<br>window %{customdata[4]}<br>run %{customdata[5]}%{customdata[6]}<extra></extra>",
        )
    figure.update_layout(**LAYOUT, barmode="overlay", bargap=0.35, showlegend=False, height=84 + 48 * len(tracks))
    figure.update_layout(margin_t=8)
    figure.update_xaxes(**AXIS, type="date")
    figure.update_xaxes(title_text="session")
    figure.update_yaxes(**AXIS)
    figure.update_yaxes(categoryorder="array", categoryarray=names, autorange="reversed")
    return figure


def by_month(data: OnlineData, column: str, name: str) -> go.Figure | None:
    """Means of the daily coefficients by month, side by side.

    Args:
        column: ``ic`` or ``rank_ic``.
        name: what it is called.
    """

    def draw(figure: go.Figure, track: Track, shown: str, colour: str) -> None:
        means = monthly(track.daily)
        figure.add_bar(
            name=shown,
            x=[f"{month}-01" for month in means.index],
            xperiod="M1",
            xperiodalignment="middle",
            y=[finite(value) for value in means[column]],
            marker={"color": colour, "line": {"width": 0}},
            customdata=[[month, int(days)] for month, days in means["days"].items()],
            hovertemplate="%{customdata[0]}: " + shown + "<br>" + name + " %{y:.4f}, %{customdata[1]} sessions"
            "<extra></extra>",
        )

    figure = _series(data, draw, "month", "daily mean", barmode="group", bargap=0.15)
    if figure:
        months = {month for bars in figure.data for month in bars.x}
        figure.update_xaxes(ticklabelmode="period", tickformat="%b\n%Y", dtick="M1" if len(months) <= 6 else None)
    return figure


def cumulative(data: OnlineData) -> go.Figure | None:
    """The running sum of the daily Rank IC: a steady slope is steady skill."""

    def draw(figure: go.Figure, track: Track, shown: str, colour: str) -> None:
        daily = track.daily.sort_index()
        figure.add_scatter(
            name=shown,
            x=list(time_texts(pd.DatetimeIndex(daily.index))),
            y=[finite(round(float(value), 5)) for value in daily["rank_ic"].cumsum()],
            mode="lines",
            connectgaps=True,  # a day without a coefficient adds nothing
            line={"color": colour, "width": 2},
            hovertemplate="%{x}: " + shown + "<br>Rank IC so far %{y:.2f}<extra></extra>",
        )

    return _series(data, draw, "session", "running sum")


def short_names(names: Sequence[str]) -> list[str]:
    """Names that fit beside a chart, escaped; each is another one."""
    cut = [name if len(name) <= LENGTH else f"{name[: LENGTH - 1]}…" for name in names]
    times = Counter(cut)
    return [escape(name if times[name] == 1 else f"{name} ({place})") for place, name in enumerate(cut, 1)]


def _series(
    data: OnlineData, draw: Callable[[go.Figure, Track, str, str], None], x: str, y: str, **layout: object
) -> go.Figure | None:
    """One trace for each strategy and one for the ensemble, over time."""
    figure = go.Figure()
    names = short_names([track.label for track in data.series])
    for track, shown, colour in zip(data.series, names, _colours(data), strict=True):
        if not track.daily.dropna().empty:
            draw(figure, track, shown, colour)
    if not figure.data:
        return None
    figure.update_layout(**LAYOUT, height=320, showlegend=True, **layout)
    figure.update_xaxes(**AXIS, type="date")
    figure.update_xaxes(title_text=x)
    figure.update_yaxes(**AXIS)
    figure.update_yaxes(title_text=y)
    return figure


def _colours(data: OnlineData) -> list[str]:
    """One for each of ``data.series``; the ensemble's is always the same."""
    return [GREEN if track is data.ensemble else PALETTE[n % len(PALETTE)] for n, track in enumerate(data.series)]


def _milliseconds(stay: Stay) -> int:
    return int((pd.Timestamp(stay.until) - pd.Timestamp(stay.start)) / pd.Timedelta(milliseconds=1))


def _about(track: Track, stay: Stay) -> list[object]:
    """What a tooltip says; plotly reads text as markup, so it is escaped."""
    variant = "" if stay.variant == "base" else f"<br>variant {escape(stay.variant)}"
    return [
        escape(track.label),
        stay.version,
        escape(stay.start),
        escape(stay.until),
        escape(span(stay.window)),
        escape(stay.recorder_id),
        variant,
    ]
