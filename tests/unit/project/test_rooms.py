"""The rooms: their order holds, every one says what it is, and the map of them is current."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from docs.map.__main__ import FILE
from docs.map.imports import ROOT, Circle, first_sentence, imports, levels, modules, reduced, siblings
from docs.map.page import draw

MODULES = modules()
IMPORTS = imports(MODULES)
PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py"]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = {one["containers"][0]: one["layers"] for one in CONTRACTS if one["type"] == "layers"}


def upwards(package: str, layers: list[str], edges: Mapping[str, set[str]]) -> list[str]:
    """Imports between the children of a package that lead up, or to the side."""
    place = {room.strip(): number for number, line in enumerate(layers) for room in line.split("|")}
    graph = siblings(package, dict(edges))
    assert set(graph) == set(place), "every room has its place in pyproject.toml"
    return [f"{one} -> {other}" for one, to in graph.items() for other in to if place[one] >= place[other]]


@pytest.mark.parametrize("package", LAYERS)
def test_no_room_imports_one_above_it(package: str) -> None:
    assert upwards(package, LAYERS[package], IMPORTS) == []


def test_an_import_upwards_is_noticed() -> None:
    worse = {**IMPORTS, "rollq.tasks.errors": {"rollq.tasks.queue.task"}}
    assert upwards("rollq.tasks", LAYERS["rollq.tasks"], worse) == ["errors -> queue"]


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_in_a_package_imports_in_a_circle(package: str) -> None:
    levels(siblings(package, IMPORTS))


def test_a_circle_is_noticed() -> None:
    with pytest.raises(Circle, match="a -> b -> c -> a"):
        levels({"a": {"b"}, "b": {"c"}, "c": {"a"}})


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_in_a_sentence_what_lives_there(package: str) -> None:
    said = first_sentence(MODULES[package])
    assert said.endswith(".")
    assert len(said) > 20


def test_the_map_is_current_and_needs_nothing_else() -> None:
    text = draw()
    assert FILE.read_text(encoding="utf-8") == text, "run `make map`"
    assert draw() == text
    assert "prefers-color-scheme: dark" in text
    for foreign in ("<script", "<image", "@import", "url(http", "href="):
        assert foreign not in text


def test_every_arrow_of_the_map_leads_downwards() -> None:
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith('<path class="arrow'):
            words = line.partition(' d="')[2].partition('"')[0].split()
            end = float(words[-1])
            assert float(words[2]) < end, line


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    assert reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_names_that_are_imported_from_a_package_may_be_modules(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    for folder in ("rollq", "scheduler", "workers"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("")
    (tmp_path / "tasks" / "a.py").write_text("from rollq.tasks import b\n\ndef f():\n    import rollq.tasks.c\n")
    (tmp_path / "tasks" / "b.py").write_text("from rollq.tasks.c import name\n")
    (tmp_path / "tasks" / "c.py").write_text("import json\n")
    assert imports(modules(tmp_path)) == {
        "rollq.tasks": set(),
        "rollq.tasks.a": {"rollq.tasks.b", "rollq.tasks.c"},
        "rollq.tasks.b": {"rollq.tasks.c"},
        "rollq.tasks.c": set(),
    }
