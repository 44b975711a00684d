"""The ports of Qlib's example scripts change as little as their page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.from_qlib.__main__ import main
from docs.from_qlib.ports import MOST, ORIGINALS, PORTS, change, changes, compare, table
from docs.from_qlib.statements import describe

THERE = sorted(ORIGINALS.glob("*.yaml"))
ORIGINAL = """
import qlib

class Example:
    def main(self):
        qlib.init(provider_uri="a")
        for one in make():
            show(one)
        self.trainer = TrainerR(name)
        return gather(key=1)(2)
"""


@pytest.mark.parametrize("original", THERE, ids=lambda path: path.stem)
def test_a_port_changes_few_statements(original: Path) -> None:
    assert change(original).new <= MOST


def test_their_page_says_how_many() -> None:
    assert table(changes()) in (PORTS / "README.md").read_text()


def test_the_command_says_that_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert "task_manager_rolling.py) | 64 |" in capsys.readouterr().out


def test_what_a_script_does_is_described() -> None:
    assert describe(ORIGINAL) == {
        "module": ["class", "function main(self)"],
        "main": [
            "expr init(provider_uri)",
            "for make()",
            "expr show(_)",
            "assign TrainerR(_)",
            "return gather(key) (_)",
        ],
    }


@pytest.mark.parametrize(
    ("old", "new", "changed", "added", "removed"),
    [
        ("qlib", "rollq", 0, 0, 0),
        ('qlib.init(provider_uri="a")', "rollq.init(); calendar = TimeAdjuster(days)", 0, 0, 0),
        ("show(one)", "show(one, 2)", 1, 0, 0),
        ("TrainerR(name)", "TrainerR(name=name)", 1, 0, 0),
        ("def main(self)", "def main(self, other)", 1, 0, 0),
        ("show(one)", "pass; show(one); pass", 0, 2, 0),
        ("        self.trainer = TrainerR(name)\n", "", 0, 0, 1),
        ("show(one)", "begin(); end()", 1, 1, 0),
        ("return gather(key=1)(2)", "return 3\n    def more(self): pass", 1, 2, 0),
    ],
)
def test_what_changed_is_counted(old: str, new: str, changed: int, added: int, removed: int) -> None:
    assert old in ORIGINAL
    found = compare(describe(ORIGINAL), describe(ORIGINAL.replace(old, new)))
    assert found == (6 - changed - removed, changed, added, removed)
