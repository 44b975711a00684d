"""How a comparison is shown to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollq.cli.context import print_table, say

if TYPE_CHECKING:
    from rollq.scheduler.champions.comparison import Comparison

NAMES = ("IC", "ICIR", "Rank IC", "Rank ICIR", "turnover")


def show_comparison(found: Comparison) -> None:
    """Both sides, and how sure their difference is."""
    rows = [[side, *(number(found.metrics[side].get(name)) for name in NAMES)] for side in found.metrics]
    print_table(f"{found.sessions} sessions, {found.start} to {found.end}", ["variant", *NAMES], rows)
    for name, interval in found.difference.items():
        say(
            f"{name}: {found.challenger} less {found.champion} {interval.mean:+.4f}, "
            f"{interval.confidence:.0%} interval {interval.low:+.4f} to {interval.high:+.4f}, "
            f"better with probability {interval.p_better:.0%}"
        )


def number(value: float | None) -> str:
    """A metric as text; empty if there is none."""
    return "" if value is None else f"{value:.4f}"
