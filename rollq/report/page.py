"""Writes the report."""

from __future__ import annotations

from pathlib import Path

from rollq.report.data import ReportData


def write_report(data: ReportData, path: Path) -> Path:
    """Placeholder."""
    path.write_text(f"{data.title}")
    return path
