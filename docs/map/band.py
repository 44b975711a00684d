"""One folder at the top as a band of the map: its rooms in rows, and the arrows between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

from docs.map.imports import FOLDERS, Graph, first_sentence, levels, reduced, siblings

BOX, SMALL = 206, 136  # the width of a package and of a module
LINE, PAD = 15, 9  # the height of a line, the space around a text
GAP, DROP, MARGIN = 16, 34, 24  # between boxes, between rows, around everything
LETTER = 6  # the width of one, at most
LETTERS = 30  # of a description in one line
THIN = 10  # the width of an arrow that passes a row


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
    height: int = 0

    @property
    def middle(self) -> float:
        """Where arrows begin and end."""
        return self.x + self.width / 2


class Band:
    """One folder at the top: its rooms in rows, the arrows between them, and where everything stands."""

    def __init__(self, folder: str, known: Mapping[str, Path], edges: Graph) -> None:
        self.folder = folder
        package = "rollq" if folder == "rollq" else f"rollq.{folder}"
        graph = siblings(package, edges)
        inside = {one for one in graph if (package, one) not in {("rollq", other) for other in FOLDERS[1:]}}
        graph = {one: graph[one] & inside for one in sorted(inside)}
        high = levels(graph)
        self.says = first_sentence(known[package])
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
            for one, other in pairwise(chain):
                near.setdefault(id(one), []).append(other)
                near.setdefault(id(other), []).append(one)
        for sweep in range(8):
            rows = self.rows if sweep % 2 == 0 else self.rows[::-1]
            self._spread()
            for before, row in pairwise(rows):
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
        right = max(one.x + one.width for row in self.rows for one in row)
        return max(right, len(self.says) * LETTER) + MARGIN, y - DROP + MARGIN

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
        return Room(short, is_package=False, width=SMALL, height=LINE + 2 * PAD)
    inside = siblings(name, edges)
    packages = {one for one in inside if known[f"{name}.{one}"].name == "__init__.py"}
    high = levels({one: inside[one] & packages for one in packages})
    inner = tuple(f"{short}/{one}/" for one in sorted(packages, key=lambda one: (-high[one], one)))
    says = tuple(wrap(first_sentence(path), LETTERS))
    return Room(f"{short}/", says, inner, height=LINE * (1 + len(says) + len(inner)) + 2 * PAD)


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
