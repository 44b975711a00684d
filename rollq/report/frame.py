"""What all pages share: one HTML file that needs nothing else, neither a network nor a server."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from rollq.tasks.errors import Unavailable

if TYPE_CHECKING:
    import plotly.graph_objects as go

FOLDER = Path(__file__).parent
CONFIG = {"displayModeBar": False, "responsive": True}
MOST_COLUMNS = 3  # beside each other on a narrow screen; rows of more become cards there
UNKNOWN = "–"
NOTHING = "<p class='none'>There is nothing to show.</p>"


def write_page(
    path: Path, body: str, parts: Mapping[str, str], *, title: str, facts: str, tiles: Iterable[str], foot: str
) -> Path:
    """Write a page to ``path``; returns it.

    Args:
        body: the file in this folder that holds the sections; each ``$name`` in it is one of ``parts``.
        parts: HTML.
        title, facts, foot: text.
        tiles: HTML, as ``tile`` makes it.

    Raises:
        Unavailable: plotly, which draws the charts, is not installed.
    """
    check_drawable()
    from plotly.offline import get_plotlyjs

    # `substitute` raises on a name without a value; `safe_substitute` would leave a hole in the page.
    content = _template("frame.html").substitute(
        title=escape(title),
        facts=escape(facts),
        # The library itself, 4 MB, and no link to it: the page needs no network, and looks the same in ten years.
        plotly=get_plotlyjs(),
        tiles="".join(tiles),
        body=_template(body).substitute(parts),
        foot=escape(foot),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def check_drawable() -> None:
    """Raises Unavailable if plotly, which draws the charts, is not installed."""
    if find_spec("plotly") is None:
        raise Unavailable("The report needs plotly.", "Install it with: pip install 'rollq[report]'.")


def drawn(charts: Mapping[str, go.Figure | None]) -> dict[str, str]:
    """Charts of plotly as HTML, each with its name as its id; None: a remark that there is nothing."""
    return {
        name: figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=CONFIG) if figure else NOTHING
        for name, figure in charts.items()
    }


def table(
    label: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    text: Collection[str] = (),
    bad: Collection[int] = (),
    kind: str = "",
    tall: bool = False,
) -> str:
    """A table as HTML.

    Args:
        label: what it is, for those to whom the page is read.
        rows: cells as text; they are escaped here.
        text: columns that are set to the left; numbers stand on the right.
        bad: numbers of the rows that are marked, from 0.
        kind: CSS classes of the table.
        tall: scroll within the page where it is long.
    """
    left = [name in text for name in columns]
    head = "".join(
        f"<th scope='col'{_kind(is_left)}>{escape(name)}</th>" for name, is_left in zip(columns, left, strict=True)
    )
    kinds = f"{kind} stack".strip() if len(columns) > MOST_COLUMNS else kind
    marks = (" class='bad'" if place in bad else "" for place in count())
    body = "".join(f"<tr{mark}>{_cells(row, columns, left)}</tr>\n" for mark, row in zip(marks, rows, strict=False))
    return (
        f"<div class='wide{' tall' if tall else ''}' role='region' aria-label='{escape(label)}' tabindex='0'>"
        f"<table class='{escape(kinds)}'><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def tile(name: str, value: str, bad: bool = False) -> str:
    """A headline number as HTML."""
    return f"<div class='tile{' bad' if bad else ''}'><b>{escape(value)}</b><span>{escape(name)}</span></div>"


def number(value: float | None) -> str:
    """A metric as text."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:.4f}".replace("-", "−")


def versions(found: Mapping[str, str], cores: int) -> str:
    """Versions of libraries, and the cores of the machine, as text."""
    shown = ", ".join(f"{name} {value}" for name, value in found.items())
    return f"{shown}; {cores} core{'' if cores == 1 else 's'}"


def _cells(cells: Sequence[str], columns: Sequence[str], left: Sequence[bool]) -> str:
    """A row; each cell knows its column, for the page on a narrow screen, where there is no head above it."""
    return "".join(
        f"<td{_kind(is_left)} data-of='{escape(column)}'>{escape(cell)}</td>"
        for cell, column, is_left in zip(cells, columns, left, strict=True)
    )


def _kind(is_left: bool) -> str:
    return " class='text'" if is_left else ""


def _template(name: str) -> Template:
    return Template((FOLDER / name).read_text(encoding="utf-8"))
