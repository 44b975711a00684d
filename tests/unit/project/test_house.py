"""The house stays tidy: the size of folders and modules, docstrings, how often ``Any`` is used, names of files."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

import pytest

from docs.map.imports import ROOT, modules

MODULES = modules()
FOLDER, MODULE, ANY = 16, 300, 150  # modules in a folder, lines of a module, times of ``Any``
LONG = 10  # lines of a private function that may do without a docstring
PLACES = ("rollq", "scheduler", "workers", "tasks", "tests", "benchmarks", "docs")
FILES = [path for place in PLACES for path in (ROOT / place).rglob("*.py") if path.parts[-2] != "__pycache__"]


def count_any(text: str) -> int:
    """How often ``Any`` stands in a module, imports aside: names, and those in quoted annotations."""
    tree = ast.parse(text)
    imported = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(one.type == tokenize.NAME and one.string == "Any" and one.start[0] not in imported for one in tokens)


def silent(text: str) -> list[str]:
    """Private functions that are long and have no docstring."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        one.name
        for one in functions
        if one.name.startswith("_")
        and not one.name.endswith("__")
        and (one.end_lineno or one.lineno) - one.lineno + 1 > LONG
        and not ast.get_docstring(one)
    ]


def twins(names: set[str]) -> list[str]:
    """Names of which another one differs by an ``s`` alone."""
    return sorted(name for name in names if f"{name}s" in names)


def test_a_folder_has_few_modules() -> None:
    found = Counter(str(path.parent.relative_to(ROOT)) for path in FILES if path.name != "__init__.py")
    assert {folder: count for folder, count in found.items() if count > FOLDER} == {}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short(name: str) -> None:
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MODULE


def test_any_is_rare() -> None:
    found = {name: count_any(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
    assert sum(found.values()) <= ANY, f"most in {sorted(found, key=lambda name: -found[name])[:5]}"


@pytest.mark.parametrize("name", MODULES)
def test_long_private_functions_have_a_docstring(name: str) -> None:
    assert silent(MODULES[name].read_text(encoding="utf-8")) == []


def test_no_two_files_of_a_folder_differ_by_an_s() -> None:
    folders: dict[Path, set[str]] = {}
    for path in FILES:
        folders.setdefault(path.parent, set()).add(path.stem)
        folders.setdefault(path.parent.parent, set()).add(path.parent.name)
    assert {folder: found for folder, names in folders.items() if (found := twins(names))} == {}


def test_what_breaks_the_rules_is_noticed() -> None:
    assert count_any("from typing import Any\nx: Any = 1\ny: dict[str, Any] = {}\n# Any\n") == 2
    body = "\n".join("    pass" for _ in range(LONG))
    assert silent(f"def _long():\n{body}\ndef _told():\n    '''Says.'''\n{body}\ndef long():\n{body}\n") == ["_long"]
    assert twins({"round", "rounds", "task"}) == ["round"]
