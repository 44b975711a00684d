"""What is read from the source: its modules, who imports whom, and the order that follows from it.

Only syntax trees are read; nothing of rollq is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("rollq", "scheduler", "workers", "tasks")

Graph = dict[str, set[str]]  # who imports whom


class Circle(ValueError):
    """Rooms import each other in a circle: there is no order to draw."""


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the package, by its full name. The folders at the top are its subpackages."""
    found = {}
    for folder in FOLDERS:
        for path in (root / folder).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            if any((root / Path(*parts[:n])).is_symlink() for n in range(1, len(parts))) or "examples" in parts:
                continue  # rollq/tasks is a link to tasks
            name = ".".join(parts if folder == "rollq" else ("rollq", *parts))
            found[name.removesuffix(".__init__")] = path
    return dict(sorted(found.items()))


def imports(known: Mapping[str, Path]) -> Graph:
    """Which modules of the package each of them imports, wherever in its text."""
    found: Graph = {}
    for name, path in known.items():
        found[name] = {one for one in _imported(ast.parse(path.read_text(encoding="utf-8")), known) if one != name}
    return found


def _imported(tree: ast.Module, known: Mapping[str, Path]) -> Iterator[str]:
    """A name that is imported from a package may be a module of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from (one for one in (full if full in known else node.module,) if one in known)


def siblings(package: str, edges: Graph) -> Graph:
    """Which children of a package import which of its other children."""
    found: Graph = {}
    for one, others in edges.items():
        if child := _child(package, one):
            found.setdefault(child, set())
            found[child] |= {other for name in others if (other := _child(package, name)) and other != child}
    return found


def _child(package: str, name: str) -> str:
    return name[len(package) + 1 :].split(".")[0] if name.startswith(f"{package}.") else ""


def levels(graph: Graph) -> dict[str, int]:
    """How far above the ground each stands: one more than the highest that it imports.

    Raises:
        Circle: some import each other; the message names them.
    """
    found: dict[str, int] = {}

    def level(one: str, above: tuple[str, ...]) -> int:
        if one in above:
            raise Circle(" -> ".join([*above[above.index(one) :], one]))
        if one not in found:
            found[one] = 1 + max((level(other, (*above, one)) for other in sorted(graph[one])), default=-1)
        return found[one]

    for one in sorted(graph):
        level(one, ())
    return found


def reduced(graph: Graph) -> Graph:
    """The graph without the arrows that follow from others: a -> c, where there is a -> b -> c."""
    below: Graph = {}
    for one, _ in sorted(levels(graph).items(), key=lambda item: item[1]):
        below[one] = set().union(graph[one], *(below[other] for other in graph[one]))
    return {one: {other for other in to if not any(other in below[via] for via in to)} for one, to in graph.items()}


def first_sentence(path: Path) -> str:
    """The first sentence of a module."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())
