"""Whether more of a metric is better: of those that rollq knows, and of those that a record declares."""

from __future__ import annotations

import re
from collections.abc import Mapping

HIGHER, LOWER = "higher", "lower"
_HIGHER = (
    "IC", "ICIR", "Rank IC", "Rank ICIR", "Long-Short", "Long-Avg", "R2", "Hit Rate", "AUC", "Accuracy", "F1 Macro",
    "NDCG", "Precision", "Return", "Cumulative Return", "Annualized Return", "Sharpe", "Information Ratio",
    "Max Drawdown",
)  # fmt: skip
_LOWER = (
    "MAE", "RMSE", "MAPE", "sMAPE", "WAPE", "MASE", "Pinball", "Width", "Log Loss", "Brier", "Volatility", "Turnover",
    "Cost",
)  # fmt: skip
# A bias and a coverage have a best value in the middle, so neither direction is the better one.
KNOWN: Mapping[str, str] = {**dict.fromkeys(_HIGHER, HIGHER), **dict.fromkeys(_LOWER, LOWER)}
GROUP = re.compile(r"^(?P<metric>.+) \((?P<column>[^()=]+)=(?P<value>.*)\)$")
MARKS = {HIGHER: "↑", LOWER: "↓"}


def known_of(*names: str) -> dict[str, str]:
    """What is better of some known metrics: for the ``better`` of the record that measures them."""
    return {name: KNOWN[name] for name in names}


def direction_of(name: str, declared: Mapping[str, str] | None = None) -> str:
    """``higher`` or ``lower``: what is better; empty: neither, or it is not known.

    Args:
        name: of a metric; ``Pinball q0.1``, ``NDCG@10`` and ``MAE (sector=Food)`` are what ``Pinball``, ``NDCG`` and
            ``MAE`` are.
        declared: by name, as a record declares them; they go before what is known.
    """
    return direction_among(name, declared or {}) or direction_among(name, KNOWN) or ""


def direction_among(name: str, table: Mapping[str, str]) -> str | None:
    """As ``direction_of``, by one table alone; None: it is not in it."""
    whole = metric_of(name)
    kinds = (name, whole, whole.partition("@")[0], re.sub(r" (q?[\d.]+%?|Ann .*|before cost)$", "", whole))
    return next((table[kind] for kind in kinds if kind in table), None)


def metric_of(name: str) -> str:
    """``MAE`` of ``MAE (sector=Food)``; any other name as it is."""
    found = GROUP.match(name)
    return found["metric"] if found else name


def of_group(metric: str, column: str, value: object) -> str:
    """The name of a metric of one group of rows."""
    return f"{metric} ({column}={value})"


def is_of_group(name: str) -> bool:
    """Whether a metric is that of one group of rows."""
    return GROUP.match(name) is not None


def main_metrics(*tables: Mapping[str, object]) -> list[str]:
    """The names of all metrics in some tables but those of groups, in the order in which they come."""
    return [name for name in dict.fromkeys(name for table in tables for name in table) if not is_of_group(name)]


def by_group(metrics: Mapping[str, float]) -> dict[tuple[str, str], dict[str, float]]:
    """The metrics of each group: by its column and value, then by metric."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for name, value in metrics.items():
        if match := GROUP.match(name):
            found.setdefault((match["column"], match["value"]), {})[match["metric"]] = value
    return found


def marked(name: str, better: Mapping[str, str] | None = None) -> str:
    """The name of a metric with an arrow that says what is better: up, down, or none."""
    return f"{name} {MARKS.get(direction_of(name, better), '')}".strip()
