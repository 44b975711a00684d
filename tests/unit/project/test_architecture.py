"""The pages for those who change rollq: every path in them exists, and every room is on the map in words, too."""

from __future__ import annotations

import re

import pytest

from docs.map.imports import FOLDERS, ROOT, modules

PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|(?!__)[\w-]+\.(?:py|toml|md))`")
MADE = (".rollq/", "dist/")
TEXT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def missing(text: str) -> list[str]:
    """Paths that a page names and that do not exist; what is made by running something does not count."""
    return [path for path in PATH.findall(text) if not path.startswith(MADE) and not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page: str) -> None:
    assert missing((ROOT / page).read_text(encoding="utf-8")) == []


def test_a_path_that_is_gone_is_noticed() -> None:
    assert missing("`tasks/queue/claims.py`, `tasks/gone/`, `tasks/queue/gone.py`") == [
        "tasks/gone/",
        "tasks/queue/gone.py",
    ]


def test_every_room_is_described() -> None:
    packages = [path.parent.relative_to(ROOT) for path in modules().values() if path.name == "__init__.py"]
    rooms = {f"{path.parts[0]}/{path.parts[1]}/" for path in packages if len(path.parts) > 1}
    assert sorted(room for room in rooms if f"`{room}`" not in TEXT) == []


def test_every_module_at_a_root_is_named_or_speaks_for_itself() -> None:
    """Those of the front door are told apart by their names; those of the other folders have a sentence here."""
    roots = [path for folder in FOLDERS[1:] for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    quiet = {"tasks/logs.py", "tasks/runtime.py", "tasks/tracking_home.py"}
    names = {str(path.relative_to(ROOT)) for path in roots} - quiet
    assert sorted(name for name in names if f"`{name}`" not in TEXT) == []
