"""From a module to its test: by the name, or by the table in ``covered.py``; each in one way."""

from __future__ import annotations

from pathlib import Path

from docs.map.imports import ROOT, modules
from tests.unit.project.covered import COVERED

FLAT = ("acceptance", "fuzz")  # kinds of tests that are not sorted by package


def named_tests(module: str) -> list[Path]:
    """The tests that are called as a module is, among those of its folder or of a kind without folders."""
    folder, name = module.split(".")[0], module.rpartition(".")[2]
    found = (path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob(f"test_{name}.py"))
    return [path for path in found if folder in path.parts or path.parts[0] in FLAT]


def inner_modules() -> list[str]:
    """The modules of tasks, scheduler and workers, without the name of the package in front."""
    every = [(name.removeprefix("rollq."), path) for name, path in modules().items()]
    folders = ("tasks", "scheduler", "workers")
    return [name for name, path in every if name.split(".")[0] in folders and path.name != "__init__.py"]


def test_every_module_has_a_test_by_its_name_or_in_the_table() -> None:
    listed = [module for covered in COVERED.values() for module in covered]
    assert sorted(module for module in set(listed) if listed.count(module) > 1) == [], "listed twice"
    assert sorted(set(listed) - set(inner_modules())) == [], "there is no such module"
    assert [module for module in inner_modules() if module not in listed and not named_tests(module)] == []
    assert [module for module in listed if named_tests(module)] == [], "these are found by their names"


def test_every_test_of_the_table_exists() -> None:
    assert [test for test in COVERED if not (ROOT / test).exists()] == []
