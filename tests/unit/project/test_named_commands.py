"""Every command that a page or a message of rollq names exists, with the options that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from rollq.cli.main import app

ROOT = Path(__file__).parents[3]
PACKAGES = ("rollq", "scheduler", "workers", "tasks")
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
FILES = [path for path in PAGES if path.name != "CHANGELOG.md"]
FILES += [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
QUOTED = re.compile(r"`(?:\S*/)?rollq (-?-?[a-z][^`\n]*)`")
LINE = re.compile(r"^(?:\S*/)?rollq ([a-z-].*)$", re.M)  # in a block of shell
GROUP = typer.main.get_command(app)


def commands(path: Path) -> Iterator[str]:
    """The commands that a file names, without the word rollq."""
    text = path.read_text()
    yield from QUOTED.findall(text)
    if path.suffix == ".md":
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
            yield from LINE.findall(block)


def wrong(command: str) -> str:
    """What of a command does not exist; empty if all of it does."""
    here: Any = GROUP
    for word in command.split("#")[0].replace("[", " ").replace("]", " ").split():
        option = re.match(r"--?[a-z][\w-]*", word)
        if word == "--help":
            return ""
        if option:
            known = {name for parameter in here.params for name in (*parameter.opts, *parameter.secondary_opts)}
            if option[0] not in known:
                return f"{here.name} has no option {option[0]}"
        elif hasattr(here, "commands") and re.fullmatch(r"[a-z-]+[,.]?", word):
            if word.strip(",.") not in here.commands:
                return f"there is no command {word}"
            here = here.commands[word.strip(",.")]
    return ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_named_exists(path: Path) -> None:
    found = {command: wrong(command) for command in commands(path)}
    assert {command: why for command, why in found.items() if why} == {}


@pytest.mark.parametrize(
    "command", ["onlin show", "online sow", "tasks list --limt 3", "--versio", "status --session X"]
)
def test_what_does_not_exist_is_noticed(command: str) -> None:
    assert wrong(command)


def test_every_command_stands_in_the_reference() -> None:
    text = (ROOT / "docs/reference/cli.md").read_text()
    groups = {name: getattr(command, "commands", None) for name, command in GROUP.commands.items()}  # type: ignore[attr-defined]
    named = [f"{name} {verb}" for name, verbs in groups.items() for verb in verbs or ()]
    named += [name for name, verbs in groups.items() if not verbs]
    text = text.replace("renew\\|commit\\|give-back\\|fail", "renew`, `tasks commit`, `tasks give-back`, `tasks fail")
    short = text.replace("`resume ID`, `cancel ID", "`backfill resume`, `backfill cancel")
    assert [name for name in named if f"`{name}" not in short] == []
