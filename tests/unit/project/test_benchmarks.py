"""The benchmarks, without running them: each of them can be imported where the package is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = ("worker",)  # it turns this process's clock before anything else is imported
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("benchmarks", "tests/chaos")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.name.startswith("__") and "_side" not in path.name and path.stem not in SCRIPTS
]


@pytest.mark.parametrize("name", MODULES)
def test_it_can_be_imported(name: str) -> None:
    assert import_module(name).__doc__
