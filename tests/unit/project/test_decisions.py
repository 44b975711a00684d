"""Decision records: one form, a date, a status; what was replaced and what replaces it name each other."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs/decisions"
RECORDS = sorted(FOLDER.glob("*.md"))
HEADINGS = ["Context", "Decision", "Alternatives", "Consequences"]
STATUS = re.compile(
    r"^Date: (\d{4}-\d\d-\d\d)\. Status: (accepted|superseded by \[[^]]+\]\(([\w-]+\.md)\))([,;] .+)?\.$"
)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_form(path: Path) -> None:
    title, _, stands, *_ = path.read_text().splitlines()
    assert title.startswith("# ")
    found = STATUS.match(stands)
    assert found, stands
    date.fromisoformat(found[1])
    if found[3]:
        assert f"]({path.name})" in (FOLDER / found[3]).read_text().splitlines()[2], "the successor names it"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_headings_each_with_text(path: Path) -> None:
    parts = re.split(r"^## (.+)$", path.read_text(), flags=re.MULTILINE)[1:]
    assert parts[::2] == HEADINGS
    assert all(text.strip() for text in parts[1::2])


def test_the_list_of_pages_names_every_record() -> None:
    pages = (FOLDER.parent / "README.md").read_text()
    assert [path.name for path in RECORDS if f"decisions/{path.name}" not in pages] == []
