"""How much changed in the scripts of ``examples/from_qlib/``, against a description of Qlib's own ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from docs.from_qlib.statements import Script, describe
from docs.map.imports import ROOT

PORTS = ROOT / "examples" / "from_qlib"
ORIGINALS = Path(__file__).parent / "originals"
MOST = 8  # statements that a port may have and its original has not
_HEAD = ["| script | statements of Qlib's | same | changed | added | removed |", "|---|---|---|---|---|---|"]
_ALLOWED = ("init(", "TimeAdjuster(")  # setting up rollq, and the calendar


@dataclass(frozen=True)
class Change:
    """How a port differs from its original, in statements."""

    name: str
    original: int  # all statements of the original
    same: int
    changed: int
    added: int
    removed: int

    @property
    def new(self) -> int:
        """The statements that a user has to write."""
        return self.changed + self.added

    def row(self) -> str:
        """This change as a row of the table."""
        cells = (self.original, self.same, self.changed, self.added, self.removed)
        return f"| [{self.name}]({self.name}.py) | {' | '.join(map(str, cells))} |"


def changes() -> list[Change]:
    """Every port against its original."""
    return [change(path) for path in sorted(ORIGINALS.glob("*.yaml"))]


def table(rows: list[Change]) -> str:
    """The table of the page of the ports.

    Args:
        rows: What changed in each of them.
    """
    return "\n".join([*_HEAD, *(row.row() for row in rows)])


def change(original: Path) -> Change:
    """The port of one original against it.

    Args:
        original: The description of the original.
    """
    content = yaml.safe_load(original.read_text(encoding="utf-8"))
    port = describe((PORTS / f"{original.stem}.py").read_text(encoding="utf-8"))
    return Change(original.stem, content["statements"], *compare(content["functions"], port))


def compare(original: Script, port: Script) -> tuple[int, int, int, int]:
    """How many statements are the same, changed, added and removed, function by function.

    Args:
        original: What the original does.
        port: What the port does.
    """
    each = [
        _compare_lists(_counted(original.get(function, [])), _counted(port.get(function, [])))
        for function in {**original, **port}
    ]
    same, changed, added, removed = map(sum, zip(*each, strict=True))
    return same, changed, added, removed


def _compare_lists(original: list[str], port: list[str]) -> tuple[int, int, int, int]:
    """The same for one function: what stands between two statements that stayed is changed as far as both sides go."""
    same = changed = added = removed = 0
    at = (0, 0)
    for i, j in [*_common(original, port), (len(original), len(port))]:
        gone, new = i - at[0], j - at[1]
        changed += min(gone, new)
        added += max(0, new - gone)
        removed += max(0, gone - new)
        same += i < len(original)
        at = (i + 1, j + 1)
    return same, changed, added, removed


def _common(first: list[str], second: list[str]) -> list[tuple[int, int]]:
    """The longest common subsequence of two lists, as pairs of places."""
    length = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i in reversed(range(len(first))):
        for j in reversed(range(len(second))):
            longer = max(length[i + 1][j], length[i][j + 1])
            length[i][j] = length[i + 1][j + 1] + 1 if first[i] == second[j] else longer
    pairs, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        if first[i] == second[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif length[i + 1][j] >= length[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def _counted(statements: list[str]) -> list[str]:
    return [one for one in statements if not any(word in one for word in _ALLOWED)]
