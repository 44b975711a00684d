"""What a benchmark found: rows, printed as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def show(title: str, rows: Sequence[Row], as_json: bool, **facts: Any) -> None:
    """Print ``rows`` and the ``facts`` that follow from them."""
    if as_json:
        print(json.dumps({"benchmark": title, "rows": [dict(row) for row in rows], **facts}))
        return
    print(f"\n{title}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for number, line in enumerate(cells):
        first, *others = zip(line, widths, strict=True)
        print("  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]))
        if number == 0:
            print("  ".join("-" * width for width in widths))
    for name, value in facts.items():
        print(f"{name.replace('_', ' ')}: {_text(value)}")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(-int(-share * len(ordered) // 1) - 1, 0)]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)
