"""The table of `docs/reference/qlib-names.md`, held against the installed pyqlib and against rollq."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from docs.from_qlib.our_names import has, wrong
from docs.from_qlib.qlib_names import Name, names
from docs.map.imports import ROOT

PAGE = ROOT / "docs" / "reference" / "qlib-names.md"
_ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<here>.+) \|$")
_HEADING = re.compile(r"^## `(?P<module>qlib\.[\w.]+)`$")
_OTHER = re.compile(r"^`(?P<name>[\w.]+)[^`]*`: .")
_KINDS = "Write one of: same | same, but PHRASE | `NAME`: PHRASE | not there: REASON"

Table = dict[tuple[str, str], str]  # (module, name with parameters) -> what the table says of it


def findings() -> list[str]:
    """What of the page is not so; empty if all of it is."""
    return list(check(read(PAGE.read_text(encoding="utf-8")), names()))


def read(text: str) -> Table:
    """The rows of a page, by the module in whose section they stand and by name.

    Args:
        text: The page.
    """
    module, found = "", {}
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            module = heading["module"]
        elif module and (row := _ROW.match(line)):
            found[module, row["name"]] = row["here"]
    return found


def check(table: Mapping[tuple[str, str], str], known: list[Name]) -> Iterator[str]:
    """What of a table is not so.

    Args:
        table: Its rows.
        known: The names of Qlib's.
    """
    shown = {(name.module, name.shown()): name for name in known}
    yield from (f"{module}: `{name}` stands in no row" for module, name in shown if (module, name) not in table)
    yield from (f"{module}: there is no `{name}`" for module, name in table if (module, name) not in shown)
    for key, here in table.items():
        if key in shown:
            yield from (f"{key[0]}: `{key[1]}`: {what}" for what in _untrue(shown[key], here))


def _untrue(name: Name, here: str) -> list[str]:
    """Why a row is not so: what is the same takes each call of Qlib's, what differs is there, what is not is not."""
    if here == "same":
        return wrong(name)
    if here.startswith("same, but "):
        return [] if has(name.name) else ["it is not there"]
    if here.startswith("not there: "):
        return ["it is there"] if has(name.name) else []
    if other := _OTHER.match(here):
        return [] if has(other["name"]) else [f"there is no {other['name']}"]
    return [_KINDS]
