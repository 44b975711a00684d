"""The parts of the page that show how good the predictions are: by window, by session and by group."""

from __future__ import annotations

from html import escape

from rollq.report.data import ReportData
from rollq.report.frame import drawn, number, table
from rollq.tasks.predictions.directions import by_group, main_metrics, marked

COEFFICIENTS = {"IC", "ICIR", "Rank IC", "Rank ICIR"}
TILES = 8  # metrics among the headline numbers, and by model
MOST = 12  # charts of metrics; the table of windows has all of them
PER_WINDOW = "Mean over the days of a test segment; a pair of bars is as wide as the segment."
CUMULATIVE = "Running sum of the daily coefficients over all windows: a steady slope is steady skill."
OTHERS = "One bar for each test segment, as wide as it is; the number and the dotted line are of all windows together."
MEMBERS = "Of all windows of each of the models that serve together."


def measured(data: ReportData) -> str:
    """The sections as HTML: coefficients, other metrics, groups; each only where there is something."""
    from rollq.report import charts

    others = [name for name in data.measured if name not in COEFFICIENTS][:MOST]
    parts = []
    if COEFFICIENTS & set(data.measured) or not data.daily.empty or not others:
        html = drawn({"per_window": charts.per_window(data), "cumulative": charts.cumulative(data)})
        parts.append(_section("Information coefficients per window", PER_WINDOW, html["per_window"]))
        parts.append(_section("Cumulative information coefficients", CUMULATIVE, html["cumulative"]))
    if data.portfolios:
        from rollq.report.portfolio import portfolio_sections

        parts.append(portfolio_sections(data.portfolios))
    figures = {f"metric_{place}": charts.metric_per_window(data, name) for place, name in enumerate(others)}
    html = drawn({name: figure for name, figure in figures.items() if figure})
    shown = [_small(data, name, html[place]) for place, name in zip(figures, others, strict=True) if place in html]
    if shown:
        parts.append(_section("Metrics per window", OTHERS, f"<div class='charts'>{''.join(shown)}</div>"))
    heads, rows = member_rows(data)
    if rows:
        parts.append(_section("By model", MEMBERS, table("By model", heads, rows, text=heads[:1], tall=True)))
    heads, rows = group_rows(data)
    if rows:
        text = "Over all windows; the group of a row is that of its own time."
        parts.append(_section("By group", text, table("By group", heads, rows, text=heads[:2])))
    return "".join(parts)


def member_rows(data: ReportData) -> tuple[list[str], list[list[str]]]:
    """The metrics of the models that serve together: columns, and rows as text; empty, if there is one."""
    found, names = data.by_member, data.measured[:TILES]
    rows = [[member, *(number(metrics.get(name)) for name in names)] for member, metrics in found.items()]
    return ["model", *(marked(name, data.better) for name in names)], rows


def group_rows(data: ReportData) -> tuple[list[str], list[list[str]]]:
    """The metrics of groups: columns, and rows as text; empty, if nothing was measured by group."""
    groups = by_group(data.metrics)
    names = main_metrics(*groups.values())
    rows = [[*group, *(number(found.get(name)) for name in names)] for group, found in groups.items()]
    return ["column", "group", *(marked(name, data.better) for name in names)], rows


def _small(data: ReportData, name: str, chart: str) -> str:
    """A chart of many, under its name and its value over all windows."""
    value = number(data.metrics.get(name))
    return f"<figure><figcaption>{escape(marked(name, data.better))} <b>{value}</b></figcaption>{chart}</figure>"


def _section(title: str, text: str, content: str) -> str:
    return f"<section><h2>{title}</h2><p>{text}</p>{content}</section>\n"
