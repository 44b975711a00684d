"""The charts of a round, made with plotly."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

import pandas as pd
import plotly.graph_objects as go

from rollq.report.data import HasPhases, ReportData, Step, Window, duration, time_unit
from rollq.report.style import AXIS, BLUE, GREEN, GREY, LAYOUT, ORANGE, RED, SMALL, finite
from rollq.tasks.predictions.row_times import time_texts
from rollq.tasks.queue.states import TaskState

STATUS_COLOURS: dict[str, str] = {TaskState.DONE: BLUE, TaskState.FAILED: RED, TaskState.QUARANTINED: RED}
DEFAULT_TEST = timedelta(days=91)  # the width of a bar whose test segment has no end


def timeline(data: ReportData) -> go.Figure | None:
    """Which worker trained which window when; the time since the first began."""
    ran = [window for window in data.windows if window.ran]
    if not ran:
        return None
    zero = min(window.began for window in ran)
    unit, length = time_unit(max(window.began + window.seconds for window in ran) - zero)
    names = _worker_names(ran)
    figure = go.Figure()
    # One trace for each status, DONE first: traces make the legend, in their order.
    for status in sorted({window.status for window in ran}, key=lambda name: (name != TaskState.DONE, name)):
        chosen = [window for window in ran if window.status == status]
        figure.add_bar(
            orientation="h",
            name=escape(status.lower()),
            showlegend=True,
            y=[names[window.worker] for window in chosen],
            x=[window.seconds / length for window in chosen],
            base=[(window.began - zero) / length for window in chosen],
            marker={"color": STATUS_COLOURS.get(status, GREY), "line": {"color": GREY, "width": 1}},
            customdata=[_about(window) for window in chosen],
            hovertemplate="window %{customdata[0]}: test %{customdata[1]} to %{customdata[2]}<br>"
            "%{customdata[3]:.2f} s, attempt %{customdata[4]}<br>%{customdata[5]}<extra></extra>",
        )
    figure.update_layout(**LAYOUT, barmode="overlay", bargap=0.3, height=90 + 38 * len(names))
    figure.update_xaxes(**AXIS)
    figure.update_xaxes(title_text=f"{unit} since the first window began", rangemode="tozero")
    figure.update_yaxes(**AXIS)
    figure.update_yaxes(categoryorder="array", categoryarray=list(names.values()), autorange="reversed")
    return figure


def per_window(data: ReportData) -> go.Figure | None:
    """IC and Rank IC of each test segment; the two bars together are as wide as it."""
    names = {"IC", "Rank IC"}
    known = [step for step in data.steps if step.test[0] and names & step.metrics.keys()]
    if not known:
        return None
    figure = go.Figure()
    for place, (name, colour) in enumerate((("IC", BLUE), ("Rank IC", ORANGE))):
        widths = [_test_length(step).total_seconds() * 1000 for step in known]
        figure.add_bar(
            name=name,
            x=[step.test[0] for step in known],
            y=[finite(step.metrics.get(name)) for step in known],
            width=[0.4 * width for width in widths],
            offset=[(0.1 + 0.4 * place) * width for width in widths],
            marker_color=colour,
            customdata=[_about_step(step) for step in known],
            hovertemplate="%{customdata[0]}: test %{customdata[1]} to %{customdata[2]}<br>"
            + name
            + " %{y:.4f}<extra></extra>",
        )
    figure.update_layout(**LAYOUT, barmode="overlay", height=320)
    figure.update_xaxes(**AXIS, type="date")
    figure.update_xaxes(title_text="test segment")
    figure.update_yaxes(**AXIS)
    figure.update_yaxes(title_text="daily mean")
    return figure


def metric_per_window(data: ReportData, name: str) -> go.Figure | None:
    """A metric of each test segment, small: a bar is as wide as it, the line is the metric of all windows together."""
    known = [step for step in data.steps if step.test[0] and name in step.metrics]
    if not known:
        return None
    widths = [_test_length(step).total_seconds() * 1000 for step in known]
    figure = go.Figure()
    figure.add_bar(
        x=[step.test[0] for step in known],
        y=[finite(step.metrics[name]) for step in known],
        width=[0.8 * width for width in widths],
        offset=[0.1 * width for width in widths],
        marker_color=BLUE,
        customdata=[_about_step(step) for step in known],
        hovertemplate="%{customdata[0]}: test %{customdata[1]} to %{customdata[2]}<br>%{y:.4g}<extra></extra>",
    )
    if (whole := finite(data.metrics.get(name))) is not None:
        figure.add_hline(y=whole, line={"color": ORANGE, "width": 2, "dash": "dot"})
    figure.update_layout(**{**LAYOUT, "margin": SMALL}, height=150)
    figure.update_xaxes(**AXIS, type="date", nticks=4)
    figure.update_yaxes(**AXIS, nticks=4)
    return figure


def cumulative(data: ReportData) -> go.Figure | None:
    """The running sum of the daily Rank IC (and IC): a steady slope is steady skill."""
    if data.daily.empty:
        return None
    daily = data.daily.sort_index()
    times = list(time_texts(pd.DatetimeIndex(daily.index)))
    figure = go.Figure()
    for column, name, colour in (("rank_ic", "Rank IC", ORANGE), ("ic", "IC", BLUE)):
        figure.add_scatter(
            name=name,
            x=times,
            y=[finite(round(float(value), 5)) for value in daily[column].cumsum()],
            mode="lines",
            connectgaps=True,  # a day without a coefficient adds nothing
            line={"color": colour, "width": 2},
            hovertemplate="%{x}<br>" + name + " so far %{y:.2f}<extra></extra>",
        )
    figure.update_layout(**LAYOUT, height=320)
    figure.update_xaxes(**AXIS, type="date")
    figure.update_xaxes(title_text="session")
    figure.update_yaxes(**AXIS)
    figure.update_yaxes(title_text="running sum")
    return figure


def phases(data: HasPhases) -> go.Figure | None:
    """How long each phase took."""
    if not data.phases:
        return None
    longest = max(seconds for _, seconds in data.phases)
    unit, length = time_unit(longest)
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=[escape(name) for name, _ in data.phases],
        x=[seconds / length for _, seconds in data.phases],
        text=[duration(seconds) for _, seconds in data.phases],
        textposition="outside",
        cliponaxis=False,
        marker_color=GREEN,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    margin = {**SMALL, "r": 48, "t": 32, "b": 44}  # on a narrow screen a number needs more than its part of the axis
    figure.update_layout(**{**LAYOUT, "margin": margin}, bargap=0.3, height=90 + 30 * len(data.phases))
    figure.update_xaxes(**AXIS)
    # room for the number behind the longest bar
    figure.update_xaxes(title_text=unit, range=[0, (longest / length or 1.0) * 1.15])
    figure.update_yaxes(**AXIS)
    figure.update_yaxes(autorange="reversed")
    return figure


def _worker_names(windows: list[Window]) -> dict[str, str]:
    """A short name per worker, numbered in the order of their names; the full one is in the tooltip."""
    return {
        worker: f"worker {number}" for number, worker in enumerate(sorted({window.worker for window in windows}), 1)
    }


def _about(window: Window) -> list[object]:
    """What tooltips say; plotly reads text as markup, so it is escaped."""
    start, end = (escape(bound or "open") for bound in window.test)
    return [
        window.index,
        start,
        end,
        finite(window.seconds),
        window.attempts,
        escape(window.worker or "unknown worker"),
    ]


def _about_step(step: Step) -> list[object]:
    """The same of a test segment."""
    start, end = (escape(bound or "open") for bound in step.test)
    return [escape(step.name), start, end]


def _test_length(step: Step) -> timedelta:
    start, end = step.test
    if not (start and end):
        return DEFAULT_TEST
    first, last = (datetime.fromisoformat(bound) for bound in (start, end))
    return max(last - first, timedelta(0)) + timedelta(days=1)
