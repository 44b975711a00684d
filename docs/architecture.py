"""Draws docs/architecture.svg: the rooms of rollq, and which room imports which.

A room is a package of one of the folders at the top, or a module that stands at the root of such a folder. Everything
is read from the source by its syntax tree; nothing of rollq is imported, so the map needs no environment. The same
source gives the same bytes.

    make map                              # writes docs/architecture.svg
    python docs/architecture.py --check   # fails if the file is not what would be written
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_suffix(".svg")
FOLDERS = ("rollq", "scheduler", "workers", "tasks")

Graph = dict[str, set[str]]  # who imports whom

BOX, LINE, PAD = 206, 15, 9  # the width of a box, the height of a line, the space around a text
GAP, DROP, MARGIN = 16, 34, 24  # between boxes, between rows, around everything
LETTERS = 30  # of a description in one line
THIN = 10  # the width of an arrow that passes a row

STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --edge: #8c959f; --box: #ffffff;
        --rollq: #ddf4ff; --scheduler: #fff1d6; --workers: #dafbe1; --tasks: #f1e8ff; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9da7b3; --edge: #6e7681; --box: #161b22;
          --rollq: #0c2d4a; --scheduler: #3a2a0a; --workers: #10331c; --tasks: #2a1f45; }
  }
  text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }
  .paper { fill: var(--paper); }
  .box { fill: var(--box); stroke: var(--edge); }
  .module { stroke-dasharray: 4 3; }
  .name { font-size: 13px; font-weight: 600; }
  .says { font-size: 11.5px; fill: var(--soft); }
  .folder { font-size: 17px; font-weight: 700; }
  .arrow { fill: none; stroke: var(--edge); stroke-width: 1.3; }
  .between { stroke-width: 3; stroke: var(--soft); }
"""


class Circle(ValueError):
    """Rooms import each other in a circle: there is no order to draw."""


@dataclass
class Room:
    """A package, or a module at the root of a folder, as it is drawn. Without a name it is an arrow that passes."""

    name: str
    says: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    is_package: bool = True
    row: int = 0
    x: float = 0
    y: float = 0
    width: int = BOX
    height: int = field(default=0)

    @property
    def middle(self) -> float:
        """Where arrows begin and end."""
        return self.x + self.width / 2


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


class Band:
    """One folder at the top: its rooms in rows, the arrows between them, and where everything stands."""

    def __init__(self, folder: str, known: Mapping[str, Path], edges: Graph) -> None:
        self.folder = folder
        package = "rollq" if folder == "rollq" else f"rollq.{folder}"
        graph = siblings(package, edges)
        inside = {one for one in graph if (package, one) not in {("rollq", other) for other in FOLDERS[1:]}}
        graph = {one: graph[one] & inside for one in sorted(inside)}
        high = levels(graph)
        self.says = _docstring(known[package])
        self.rows: list[list[Room]] = [[] for _ in range(max(high.values()) + 1)]
        self.arrows: list[list[Room]] = []
        rooms = {one: _room(f"{package}.{one}", known, edges) for one in graph}
        for one, room in rooms.items():
            room.row = max(high.values()) - high[one]
            self.rows[room.row].append(room)
        for one, others in reduced(graph).items():
            for other in sorted(others):
                self._join(rooms[one], rooms[other])
        self._order()
        self.width, self.height = self._place()

    def _join(self, above: Room, below: Room) -> None:
        """An arrow; in each row that it passes it has a place of its own, so that it crosses no box."""
        passes = [Room("", row=row, width=THIN) for row in range(above.row + 1, below.row)]
        for one in passes:
            self.rows[one.row].append(one)
        self.arrows.append([above, *passes, below])

    def _order(self) -> None:
        """Rooms stand near those that they are joined with: a few sweeps down and up, by the mean of their places."""
        near: dict[int, list[Room]] = {}
        for chain in self.arrows:
            for one, other in zip(chain, chain[1:], strict=False):
                near.setdefault(id(one), []).append(other)
                near.setdefault(id(other), []).append(one)
        for sweep in range(8):
            rows = self.rows if sweep % 2 == 0 else self.rows[::-1]
            self._spread()
            for before, row in zip(rows, rows[1:], strict=False):
                known = {id(room): room.middle for room in before}
                mean = {id(one): _mean([known[id(o)] for o in near.get(id(one), []) if id(o) in known]) for one in row}
                row.sort(key=lambda one: (mean[id(one)] if mean[id(one)] >= 0 else one.middle, one.name))
                self._spread()

    def _spread(self) -> None:
        """Every row is centred."""
        widths = [sum(one.width + GAP for one in row) - GAP for row in self.rows]
        for row, width in zip(self.rows, widths, strict=True):
            x = (max(widths) - width) / 2
            for one in row:
                one.x = x
                x += one.width + GAP

    def _place(self) -> tuple[float, float]:
        """Where everything stands, from the upper left corner of the band; returns its width and height."""
        self._spread()
        y: float = 2 * LINE + 2 * PAD
        for row in self.rows:
            tallest = max(one.height for one in row)
            for one in row:
                one.x += MARGIN
                one.y = y
                one.height = one.height if one.name else tallest
            y += tallest + DROP
        return max(one.x + one.width for row in self.rows for one in row) + MARGIN, y - DROP + MARGIN

    def draw(self, left: float, top: float, width: float) -> Iterator[str]:
        """Its elements; it is drawn ``width`` wide, with its rooms in the middle."""
        move = (width - self.width) / 2
        yield f'<g transform="translate({left:.0f} {top:.0f})">'
        yield f'<rect width="{width:.0f}" height="{self.height:.0f}" rx="12" style="fill: var(--{self.folder})"/>'
        yield f'<text x="{MARGIN}" y="{LINE + PAD}" class="folder">{self.folder}/</text>'
        yield f'<text x="{MARGIN}" y="{2 * LINE + PAD}" class="says">{escape(self.says)}</text>'
        yield f'<g transform="translate({move:.0f} 0)">'
        for chain in sorted(self.arrows, key=lambda chain: (chain[0].name, chain[-1].name)):
            yield _arrow(chain)
        for room in (one for row in self.rows for one in row if one.name):
            yield from _box(room)
        yield "</g></g>"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else -1


def _room(name: str, known: Mapping[str, Path], edges: Graph) -> Room:
    """A room as it is drawn: a package says what it holds, and names the packages inside it from top to bottom."""
    short, path = name.rpartition(".")[2], known[name]
    if path.name != "__init__.py":
        return Room(short, is_package=False, height=LINE + 2 * PAD)
    inside = levels(siblings(name, edges))
    packages = [one for one in inside if known[f"{name}.{one}"].name == "__init__.py"]
    inner = tuple(f"{short}/{one}" for one in sorted(packages, key=lambda one: (-inside[one], one)))
    says = tuple(wrap(_docstring(path), LETTERS))
    return Room(f"{short}/", says, inner, height=LINE * (1 + len(says) + len(inner)) + 2 * PAD)


def _docstring(path: Path) -> str:
    """The first sentence of a module."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def _arrow(chain: list[Room]) -> str:
    """A line from the foot of a box to the head of another, straight down where it passes a row."""
    first, last = chain[0], chain[-1]
    x, y = first.middle, first.y + first.height
    parts = [f"M {x:.0f} {y:.0f}"]
    for room in chain[1:]:
        bend = (y + room.y) / 2
        parts.append(f"C {x:.0f} {bend:.0f} {room.middle:.0f} {bend:.0f} {room.middle:.0f} {room.y:.0f}")
        x, y = room.middle, room.y
        if room is not last:
            y += room.height
            parts.append(f"V {y:.0f}")
    return f'<path class="arrow" marker-end="url(#head)" d="{" ".join(parts)}"/>'


def _box(room: Room) -> Iterator[str]:
    """A room: its name, what it says, the packages inside."""
    kind = "box" if room.is_package else "box module"
    place = f'x="{room.x:.0f}" y="{room.y:.0f}" width="{room.width}" height="{room.height}"'
    yield f'<rect class="{kind}" {place} rx="6"/>'
    lines = [("name", room.name), *(("says", one) for one in room.says), *(("name", one) for one in room.inner)]
    for number, (style, line) in enumerate(lines):
        y = room.y + PAD + LINE * (number + 0.75)
        yield f'<text class="{style}" x="{room.x + PAD:.0f}" y="{y:.0f}">{escape(line)}</text>'


def draw(root: Path = ROOT) -> str:
    """The map as SVG.

    Raises:
        Circle: rooms import each other in a circle.
    """
    known = modules(root)
    edges = imports(known)
    front, scheduler, workers, tasks = (Band(folder, known, edges) for folder in FOLDERS)
    width = max(front.width, scheduler.width + GAP + workers.width, tasks.width)
    share = (width - GAP) * scheduler.width / (scheduler.width + workers.width)
    middle = front.height + 2 * DROP
    bottom = middle + max(scheduler.height, workers.height) + 2 * DROP
    between = _between(share, width, front, scheduler, workers, middle, bottom)
    parts = [
        *between,
        *front.draw(0, 0, width),
        *scheduler.draw(0, middle, share),
        *workers.draw(share + GAP, middle, width - GAP - share),
        *tasks.draw(0, bottom, width),
    ]
    return _page(parts, width, bottom + tasks.height)


def _between(
    share: float, width: float, front: Band, scheduler: Band, workers: Band, middle: float, bottom: float
) -> Iterable[str]:
    """The arrows between the folders. Scheduler and workers never import each other: there is none between them."""
    centres = share / 2, share + GAP + (width - GAP - share) / 2
    for centre, band in zip(centres, (scheduler, workers), strict=True):
        for start, end in ((front.height, middle), (middle + band.height, bottom)):
            yield f'<path class="arrow between" marker-end="url(#head)" d="M {centre:.0f} {start:.0f} V {end:.0f}"/>'


def _page(parts: Iterable[str], width: float, height: float) -> str:
    """The whole file around its parts."""
    box = f"{-MARGIN} {-MARGIN} {width + 2 * MARGIN:.0f} {height + 2 * MARGIN:.0f}"
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
        ' markerUnits="userSpaceOnUse"><path d="M 0 0 L 8 4 L 0 8 z" style="fill: var(--soft)"/></marker>'
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-labelledby="title">',
        "<!-- Drawn by docs/architecture.py from the imports of the source: make map -->",
        '<title id="title">The rooms of rollq: every arrow is an import, and all of them lead downwards</title>',
        f"<style>{STYLE}</style>",
        f"<defs>{head}</defs>",
        f'<rect class="paper" x="{-MARGIN}" y="{-MARGIN}" width="100%" height="100%"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the map, or look whether it is current."""
    text = draw()
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{FILE.relative_to(ROOT)} is not current: run `make map`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
