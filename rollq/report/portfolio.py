"""The part of the page that shows portfolios: value with and without cost, benchmark, drawdown, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from rollq.report.data import Portfolio
from rollq.report.frame import drawn, number, table
from rollq.report.style import AXIS, BLUE, GREY, LAYOUT, ORANGE, RED, finite
from rollq.tasks.predictions.directions import marked, metric_of

BEFORE = " before cost"
TEXT = (
    "Made of the joined signals of all windows. Above: what 1 became, after cost, before cost, and in the benchmark. "
    "Below: the loss from the highest value so far, after cost."
)


def portfolio_sections(portfolios: Sequence[Portfolio]) -> str:
    """A section of HTML for each portfolio."""
    parts = []
    for place, one in enumerate(portfolios):
        if one.made.empty:
            continue
        chart = f"portfolio_{place}"
        html = drawn({chart: curves(one.made)})[chart]
        title = f"Portfolio {one.name}".strip()
        parts.append(f"<section><h2>{escape(title)}</h2><p>{TEXT}</p>{html}{_numbers(one.metrics)}</section>\n")
    return "".join(parts)


def curves(made: pd.DataFrame) -> go.Figure:
    """The value after cost, before cost and of the benchmark; below, the drawdown after cost."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.06)
    lines = [("after cost", made["value"], BLUE), ("before cost", made["value_before_cost"], ORANGE)]
    if "benchmark" in made:
        lines.append(("benchmark", (1 + made["benchmark"]).cumprod(), GREY))
    days = [f"{day:%Y-%m-%d %H:%M}".removesuffix(" 00:00") for day in pd.DatetimeIndex(made.index)]
    for name, values, colour in lines:
        figure.add_scatter(
            name=name, x=days, y=_drawable(values), mode="lines", line={"color": colour, "width": 2}, row=1, col=1,
            hovertemplate="%{x}<br>" + name + " %{y:.4f}<extra></extra>",
        )  # fmt: skip
    peak = np.maximum(made["value"].cummax(), 1.0)
    figure.add_scatter(
        name="drawdown", x=days, y=_drawable(made["value"] / peak - 1), mode="lines", fill="tozeroy",
        line={"color": RED, "width": 1}, row=2, col=1, hovertemplate="%{x}<br>drawdown %{y:.2%}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(**LAYOUT, height=420)
    figure.update_xaxes(**AXIS, type="date")
    figure.update_yaxes(**AXIS)
    figure.update_yaxes(title_text="value", row=1, col=1)
    figure.update_yaxes(title_text="drawdown", tickformat=".0%", row=2, col=1)
    return figure


def _drawable(values: pd.Series) -> list[float | None]:
    return [finite(round(float(value), 6)) for value in values]


def _numbers(metrics: Mapping[str, float]) -> str:
    """After and before cost side by side."""
    plain = {metric_of(name): value for name, value in metrics.items()}
    names = [name for name in plain if not name.endswith(BEFORE)]
    rows = [[marked(name), number(plain[name]), number(plain.get(name + BEFORE))] for name in names]
    return table("Portfolio", ["", "after cost", "before cost"], rows, text=[""])
