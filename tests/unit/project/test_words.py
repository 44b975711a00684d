"""One word for one thing, those of docs/glossary.md: the words of before stand nowhere; sentences have a subject."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KEPT = {"CHANGELOG.md", "LICENSE", "tests/unit/project/test_words.py"}  # history, and the list itself
ENDINGS = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".service", ".html", ".jinja2", ""}

# Read in lower case, with the parts of names apart: RungTasks and rung_tasks are both "rung tasks".
WORDS = {
    r"doorbells?|bells?|rings?|ringing|rung": "notifier, notify, notified",
    r"hears?|heard|hearing": "handle",
    r"window of messages|shortlists?|shortlisted": "staging, stager",
    r"rosters?": "worker registry",
    r"loose ends?": "orphaned runs",
    r"strikes? out|struck out": "resolve",
    r"flaws?|mended|sets? aside|setting aside": "invalid, sanitized, dead-lettered",
    r"enlists?|enlisted|lets? go|letting go|standings?": "attach, admit, admission",
    r"booked|strategy books?": "registered, strategy registry",
    r"put back|puts back": "rollback",
    r"mirrors?|mirrored": "sync",
    r"insists?|patiently": "retry",
    r"offers?|offered": "available resources",
    r"crew|crews|farewell|farewells|duties|ears?": "local workers, on stop, periodic, consumer heartbeat",
    r"somebody|someone|anybody|whoever|he|she|his|him|her": "a subject: which process, which worker",
}
# Read as they are written, because the word alone has other meanings, too.
NAMES = {
    r"\bStage\.(FAR|NEAR|RUNG)\b|\b(far|near)_\w+|\w+_(far|near)\b": "backlog, staged",
    r"\.needs\b|\bneeds=|\"needs\"": "requested resources",
    r"\.turns?\b|\bturns?=|\"turns?\"|\bTaskTurns\b": "position, admission",
    r"\.told\b|\btold=|\"told\"": "failed by dependency",
    r"claim\.home\b|\bhome=": "claimed from",
    r"\bdef (hear|renewing|ahead)\b|registry\.(sign|leave)\(": "handle, lease renewer, prefetch, heartbeat, deregister",
}
MODULES = {"meant", "work", "tasks_hand", "look", "typed", "shadow", "phases", "kinds", "place", "ahead"}


def texts() -> dict[str, str]:
    """The files of the repository, by name."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.splitlines() if Path(name).suffix in ENDINGS and name not in KEPT]
    return {name: (ROOT / name).read_text() for name in names if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return texts()


def apart(text: str) -> str:
    """Lower case, with the parts of names as words of their own."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", text).lower()


def found(pattern: str, text: str) -> list[str]:
    """Lines that hold a pattern."""
    return [line.strip()[:100] for line in text.splitlines() if re.search(pattern, line)]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.partition("|")[0])
def test_a_word_of_before_stands_nowhere(words: str, written: dict[str, str]) -> None:
    hits = {name: found(rf"\b({words})\b", apart(text)) for name, text in written.items()}
    assert {name: lines for name, lines in hits.items() if lines} == {}, f"say: {WORDS[words]}"


@pytest.mark.parametrize("names", NAMES, ids=lambda names: NAMES[names])
def test_a_name_of_before_stands_nowhere(names: str, written: dict[str, str]) -> None:
    hits = {name: found(names, text) for name, text in written.items() if name.endswith(".py")}
    assert {name: lines for name, lines in hits.items() if lines} == {}, f"say: {NAMES[names]}"


def test_modules_are_called_by_nouns_and_no_pair_differs_by_an_s(written: dict[str, str]) -> None:
    paths = [Path(name) for name in written if name.endswith(".py") and not name.startswith("tests/")]
    assert [path for path in paths if path.stem in MODULES] == []
    assert [path for path in paths if path.with_stem(path.stem + "s") in paths] == []


def test_old_words_are_found() -> None:
    assert found(r"\b(rung)\b", apart("x = RungTasks()\ny = rung_tasks\nwrung = 1")) == [
        "x = rung tasks()",
        "y = rung tasks",
    ]
