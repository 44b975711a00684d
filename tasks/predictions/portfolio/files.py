"""Where the portfolio of a window lies in its run."""

from __future__ import annotations

from collections.abc import Iterable

RETURNS, MARKET, OPTIONS = "returns.parquet", "market.parquet", "options.json"
FOLDER = "portfolio"


def folder_of(name: str) -> str:
    """The folder of a portfolio; of one without a name ``portfolio``."""
    return f"{FOLDER}_{name}" if name else FOLDER


def folders_in(artifacts: Iterable[str]) -> list[str]:
    """The folders of the portfolios among the artifacts of a run, sorted."""
    found = {name.rpartition("/")[0] for name in artifacts if name.endswith(f"/{MARKET}")}
    return sorted(folder for folder in found if folder == FOLDER or folder.startswith(f"{FOLDER}_"))
