"""What a comparison says of one metric after the other: for a table of both sides."""

from __future__ import annotations

from rollq.scheduler.champions.comparison import TURNOVER, Comparison
from rollq.tasks.predictions.directions import main_metrics


def metric_names(found: Comparison) -> list[str]:
    """All but those of groups; turnover, which is neither good nor bad, is the last."""
    return [name for name in main_metrics(*found.metrics.values()) if name != TURNOVER] + [TURNOVER]


def side_names(found: Comparison) -> dict[str, str]:
    """What both are called beside each other, by name: a challenger without the name of what it challenges."""
    short = found.challenger.removeprefix(f"{found.champion}:")
    return {found.champion: found.champion, found.challenger: short or found.challenger}


def difference_of(found: Comparison, name: str) -> float | None:
    """Challenger less champion: the mean over sessions; None where it is not known by session."""
    if name == TURNOVER:
        return found.turnover
    return found.difference[name].mean if name in found.difference else None
