"""Sets of rollq's own: what prices and volumes say, and what the calendar says."""

from __future__ import annotations

from collections.abc import Mapping

PRICES = ("open", "high", "low")
WINDOWS = (5, 10, 20, 60)


def price_volume(columns: Mapping[str, str]) -> dict[str, str]:
    """Changes, trends, ranges and risk of prices; activity, if there is a volume or a value."""
    found = {f"change_{window}": f"change(close, {window})" for window in (1, *WINDOWS)}
    found |= {f"above_mean_{window}": f"close / mean(close, {window}) - 1" for window in WINDOWS}
    found |= {f"volatility_{window}": f"std(log_change(close), {window})" for window in WINDOWS}
    high, low = ("high", "low") if {"high", "low"} <= columns.keys() else ("close", "close")
    for window in (20, 60):
        found[f"below_max_{window}"] = f"close / max({high}, {window}) - 1"
        found[f"above_min_{window}"] = f"close / min({low}, {window}) - 1"
        found[f"trend_{window}"] = f"slope(log(close), {window})"
        found[f"straight_{window}"] = f"rsquare(close, {window})"
        found[f"place_{window}"] = f"ts_rank(close, {window})"
    if set(PRICES) <= columns.keys():
        found |= {
            "bar": "close / open - 1",
            "gap": "open / lag(close) - 1",
            "range": "high / low - 1",
            "range_20": "mean(high / low - 1, 20)",
            "close_in_range": "(2 * close - high - low) / (high - low)",
        }
    activity = [name for name in ("volume", "value") if name in columns]
    for name in activity:
        found |= {f"{name}_{window}": f"log(({name} + 1) / (mean({name}, {window}) + 1))" for window in WINDOWS}
        found[f"{name}_spread_20"] = f"std(log({name} + 1), 20)"
        found[f"{name}_follows_20"] = f"corr(log_change(close), log({name} + 1), 20)"
    if "value" in columns:
        found["size_20"] = "log(mean(value, 20) + 1)"
    return found


def calendar(columns: Mapping[str, str]) -> dict[str, str]:
    """What the local date and time of a row say."""
    names = (
        "hour",
        "weekday",
        "day",
        "days_left",
        "week",
        "month",
        "quarter",
        "day_of_year",
        "month_start",
        "month_end",
    )
    return {name: f"{name}()" for name in (*names, "day_sin", "day_cos", "year_sin", "year_cos")}
