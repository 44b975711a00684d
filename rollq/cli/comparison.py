"""How a comparison is shown to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollq.cli.context import print_table, say

if TYPE_CHECKING:
    from rollq.scheduler.champions.comparison import Comparison

TURNOVER = "turnover"  # of which neither more nor less is better


def show_comparison(found: Comparison) -> None:
    """Both sides, and how sure their difference is."""
    from rollq.tasks.predictions.directions import main_metrics, marked

    names = [name for name in main_metrics(*found.metrics.values()) if name != TURNOVER]
    rows = [
        [f"{marked(name, found.better)}", *(number(side.get(name)) for side in found.metrics.values())]
        for name in [*names, TURNOVER]
    ]
    print_table(f"{found.sessions} sessions, {found.start} to {found.end}", ["metric", *found.metrics], rows)
    for name, interval in found.difference.items():
        better = f", better with probability {interval.p_better:.0%}" if name in found.better else ""
        say(
            f"{name}: {found.challenger} less {found.champion} {interval.mean:+.4f}, "
            f"{interval.confidence:.0%} interval {interval.low:+.4f} to {interval.high:+.4f}{better}"
        )
    for record, why in found.left_out.items():
        say(f"{record} measured nothing: {why}")


def number(value: float | None) -> str:
    """A metric as text; empty if there is none."""
    return "" if value is None else f"{value:.4f}"
