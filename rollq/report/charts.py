"""The charts of a report, made with plotly. Colours work on light and on dark paper."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from rollq.report.data import ReportData, Window

BLUE, ORANGE, GREEN, RED, GREY = "#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b949e"
LAYOUT = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": GREY},
    "margin": {"l": 60, "r": 20, "t": 20, "b": 50},
    "legend": {"orientation": "h", "y": 1.08, "x": 0},
    "hoverlabel": {"font": {"family": "system-ui, sans-serif"}},
    "bargap": 0.25,
}
AXIS = {"gridcolor": "rgba(139,148,158,0.25)", "zerolinecolor": "rgba(139,148,158,0.6)", "automargin": True}


def timeline(data: ReportData) -> go.Figure | None:
    """Which worker trained which window when; seconds since the first began."""
    ran = [window for window in data.windows if window.started_at and window.ended_at]
    if not ran:
        return None
    zero = min(window.started_at for window in ran if window.started_at)
    workers = sorted({window.worker for window in ran})
    names = {worker: f"worker {number}" for number, worker in enumerate(workers, 1)}
    figure = go.Figure()
    for status, colour in (("DONE", BLUE), ("other", RED)):
        chosen = [window for window in ran if (window.status == "DONE") == (status == "DONE")]
        if chosen:
            figure.add_bar(
                orientation="h",
                name="done" if status == "DONE" else "not done",
                y=[names[window.worker] for window in chosen],
                x=[_seconds(window) for window in chosen],
                base=[(window.started_at - zero).total_seconds() for window in chosen if window.started_at],
                marker={"color": colour, "line": {"color": "rgba(255,255,255,0.7)", "width": 1}},
                customdata=[[w.index, w.test[0], w.test[1], w.worker, w.attempts] for w in chosen],
                hovertemplate="window %{customdata[0]}: test %{customdata[1]} to %{customdata[2]}<br>"
                "%{x:.2f} s, attempt %{customdata[4]}<br>%{customdata[3]}<extra></extra>",
            )
    figure.update_layout(**LAYOUT, barmode="overlay", height=120 + 50 * len(workers))
    figure.update_xaxes(**AXIS, title="seconds since the first window began")
    figure.update_yaxes(**AXIS, autorange="reversed")
    return figure


def per_window(data: ReportData) -> go.Figure | None:
    """IC and Rank IC of each window, at the start of its test segment."""
    known = [window for window in data.windows if window.metrics]
    if not known:
        return None
    figure = go.Figure()
    for name, colour in (("IC", BLUE), ("Rank IC", ORANGE)):
        figure.add_bar(
            name=name,
            x=[window.test[0] for window in known],
            y=[window.metrics.get(name) for window in known],
            marker_color=colour,
            hovertemplate="test from %{x}<br>" + name + " %{y:.4f}<extra></extra>",
        )
    figure.update_layout(**LAYOUT, barmode="group", height=340)
    figure.update_xaxes(**AXIS, type="date", title="start of the window's test segment")
    figure.update_yaxes(**AXIS, title="mean of the daily coefficients")
    return figure


def cumulative(data: ReportData) -> go.Figure | None:
    """The running sum of the daily Rank IC (and IC): a steady slope is steady skill."""
    if data.daily.empty:
        return None
    daily = data.daily.sort_index()
    figure = go.Figure()
    for column, name, colour in (("rank_ic", "Rank IC", ORANGE), ("ic", "IC", BLUE)):
        total = daily[column].cumsum()
        days = [f"{day:%Y-%m-%d}" for day in pd.DatetimeIndex(total.index)]
        figure.add_scatter(
            name=name,
            x=days,
            y=[round(float(value), 5) for value in total],
            mode="lines",
            line={"color": colour, "width": 2},
            hovertemplate="%{x}<br>" + name + " so far %{y:.2f}<extra></extra>",
        )
    figure.update_layout(**LAYOUT, height=340)
    figure.update_xaxes(**AXIS, type="date")
    figure.update_yaxes(**AXIS, title="sum of the daily coefficients")
    return figure


def phases(data: ReportData) -> go.Figure:
    """How long each phase took."""
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=[name for name, _ in data.phases],
        x=[seconds for _, seconds in data.phases],
        text=[f"{seconds:.1f} s" for _, seconds in data.phases],
        textposition="auto",
        marker_color=GREEN,
        hovertemplate="%{y}: %{x:.2f} s<extra></extra>",
    )
    figure.update_layout(**LAYOUT, height=100 + 34 * len(data.phases))
    figure.update_xaxes(**AXIS, title="seconds")
    figure.update_yaxes(**AXIS, autorange="reversed")
    return figure


def _seconds(window: Window) -> float:
    return (window.ended_at - window.started_at).total_seconds() if window.ended_at and window.started_at else 0.0
