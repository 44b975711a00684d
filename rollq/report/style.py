"""How charts look. Their colours work on light and on dark paper; the page tints the text."""

from __future__ import annotations

import math

BLUE, ORANGE, GREEN, RED, GREY = "#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b949e"
FONT = {"family": "system-ui, sans-serif", "size": 12, "color": GREY}
LAYOUT = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": FONT,
    "margin": {"l": 48, "r": 16, "t": 32, "b": 44},
    # anchored above the plot, so that it never covers a bar however low the plot is
    "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
    "hoverlabel": {"font": {"family": "system-ui, sans-serif"}},
    "dragmode": False,  # on a phone a finger scrolls the page
}
SMALL = {"l": 8, "r": 8, "t": 8, "b": 8}  # around one chart of many; its axes take what they need
AXIS = {
    "gridcolor": "rgba(139,148,158,0.25)",
    "zerolinecolor": "rgba(139,148,158,0.6)",
    "automargin": True,
    "title": {"font": {"size": 12}, "standoff": 8},
}


def finite(value: float | None) -> float | None:
    """A number that plotly can draw; None for one that it cannot."""
    return value if value is not None and math.isfinite(value) else None
