"""The page of a round as Markdown: the same numbers without the charts, for a pull request or a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rollq.report.compared import TITLE, compared_rows, said
from rollq.report.data import ReportData
from rollq.report.frame import versions
from rollq.report.measured import group_rows, member_rows
from rollq.report.page import columns, facts, signals_line, tiles, window_row


def write_markdown(data: ReportData, path: Path) -> Path:
    """Write the page of a round to ``path``; returns it."""
    parts = [
        f"# {_cell(data.title)}",
        _cell(facts(data)),
        _table(("what", "value"), tiles(data)),
        _cell(signals_line(data)),
        _table(columns(data), (window_row(window, data.measured) for window in data.windows)),
        *(_table(heads, rows) for heads, rows in (member_rows(data), group_rows(data)) if rows),
        *_compared(data),
        _cell(versions(data.versions, data.cores)),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _compared(data: ReportData) -> Iterable[str]:
    """The model and its challengers; nothing, if there are none."""
    if data.compared or data.apart:
        yield f"## {TITLE}"
        yield from map(_cell, said(data))
    for about, names, rows in compared_rows(data):
        yield from (_cell(about), _table(names, rows))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Text that ends no cell and is no HTML."""
    plain = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(plain.split())
