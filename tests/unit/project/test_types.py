"""Types: ``Any`` stands only where a value may be anything."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROOMS = ("rollq", "tasks", "scheduler", "workers")
MOST = 150  # the word, in imports and comments too


def test_any_is_the_exception() -> None:
    """Use ``object``, a protocol, a TypedDict or a dataclass: then a value is looked at before it is used."""
    found = {
        str(path.relative_to(ROOT)): len(re.findall(r"\bAny\b", path.read_text(encoding="utf-8")))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not path.is_symlink()
    }
    assert len(found) > 250
    assert sum(found.values()) <= MOST, sorted(found.items(), key=lambda item: -item[1])[:10]
