"""The verb init: a look at a file, and a first template for it."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated

import typer

from rollq.cli.context import JSON, print_json, print_table, say
from rollq.cli.values import at_home

HEADER = ["column", "kind", "values", "missing", "zeros", "negative", "jumps", "what it may be"]


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command("init")(init)


def init(
    file: Annotated[Path, typer.Argument(callback=at_home, help="A file, a folder, or a pattern in quotes")],
    out: Annotated[Path | None, typer.Option(callback=at_home, help="The template [beside the data]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a template that is there")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Look at a file of data, say what it holds, and write a first template for it."""
    from rollq.drafts.description import as_json as plain
    from rollq.drafts.description import lines, rows
    from rollq.drafts.draft import draft
    from rollq.tasks.errors import StateError
    from rollq.workers.tables.profile.profile import profile

    place = out or _beside(file)
    if place.exists() and not force:
        raise StateError(f"{place} is there already.", "Give another place: --out, or replace it: --force.")
    found = profile(str(file))
    if not as_json:
        for line in lines(found):
            say(line)
        print_table("Columns", HEADER, list(rows(found)))
    text = draft(found, place.stem, place.resolve().parent)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    if as_json:
        print_json({**plain(found), "template": str(place)})
    else:
        say(f"Wrote {place}. Look at it, then: rollq check {place}")


def _beside(file: Path) -> Path:
    """The template's place if none is given: beside the data, called as they are."""
    if not glob.has_magic(str(file)) or file.exists():
        return file.parent / f"{file.name.split('.')[0] or file.resolve().name}.yaml"
    base = next(one for one in file.parents if not glob.has_magic(str(one)))
    return base.parent / f"{base.resolve().name}.yaml"
