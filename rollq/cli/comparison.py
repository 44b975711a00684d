"""How a comparison is shown to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollq.cli.context import print_table, say

if TYPE_CHECKING:
    from rollq.scheduler.champions.bootstrap import Interval
    from rollq.scheduler.champions.comparison import Comparison


def show_comparison(found: Comparison) -> None:
    """Both sides, their difference, and how sure it is: a row for each metric."""
    from rollq.scheduler.champions.side_by_side import difference_of, metric_names, side_names
    from rollq.tasks.predictions.directions import marked

    sides = side_names(found)
    confidence = next((f"{one.confidence:.0%} " for one in found.difference.values()), "")
    columns = ["metric", *sides.values(), "difference", f"{confidence}interval", "better with probability"]
    rows = [
        [
            marked(name, found.better),
            *(number(found.metrics[side].get(name)) for side in sides),
            signed(difference_of(found, name)),
            *_interval(found.difference.get(name), name in found.better),
        ]
        for name in metric_names(found)
    ]
    title = f"{found.challenger} against {found.champion}: {found.sessions} sessions, {found.start} to {found.end}"
    print_table(title, columns, rows)
    say(f"difference: {sides[found.challenger]} less {found.champion}, mean over sessions; * its interval excludes 0")
    for record, why in found.left_out.items():
        say(f"{record} measured nothing: {why}")


def number(value: float | None) -> str:
    """A metric as text; empty if there is none."""
    return "" if value is None else f"{value:.4f}"


def signed(value: float | None) -> str:
    """A difference as text; empty if there is none."""
    return "" if value is None else f"{value:+.4f}"


def _interval(found: Interval | None, directed: bool) -> tuple[str, str]:
    """An interval, and how likely the challenger is better; empty where neither more nor less is better."""
    if found is None:
        return "", ""
    mark = " *" if found.excludes_zero else ""
    return f"{found.low:+.4f} to {found.high:+.4f}{mark}", f"{found.p_better:.0%}" if directed else ""
