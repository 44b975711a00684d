"""The verb check: what would fail of a template, found here, before anything is enqueued."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import JSON, of, print_json, say
from rollq.cli.values import at_home

if TYPE_CHECKING:
    from rollq.health.check import Check


MARKS = {"": "ok  ", "not made": "--  ", "look at": "LOOK"}


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command()(check)


def check(
    context: typer.Context,
    template: Annotated[Path, typer.Argument(callback=at_home, help="Task template (YAML)")],
    session: Annotated[
        str | None, typer.Option("--session", help="Train the window that is tested on this day [the first one]")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Train one window of a template here, without servers, and say what would fail later (then it exits with 1)."""
    from rollq.checking.template_check import TemplateCheck
    from rollq.days import day

    command = of(context)
    with tempfile.TemporaryDirectory(prefix="rollq-check-") as folder:
        made = TemplateCheck(template, command.settings(), Path(folder), day(session, "--session"), command.debug)
        found = made.run()
    good = all(one.ok for one in found)
    if as_json:
        print_json({"ok": good, "checks": [one.to_dict() for one in found]})
    else:
        _show(found)
    if not good:
        raise typer.Exit(1)


def _show(checks: list[Check]) -> None:
    width = max(len(one.name) for one in checks)
    for one in checks:
        say(f"{MARKS[one.remark] if one.ok else 'FAIL'} {one.name:{width}} {one.detail}")
        if not one.good and one.fix:
            say(f"     {'':{width}} Fix: {one.fix}")
    say(_summary(checks))


def _summary(checks: list[Check]) -> str:
    """How many checks there are of each kind."""
    count = len(checks)
    if bad := sum(not one.ok for one in checks):
        return f"{bad} of {count} checks failed."
    good = sum(one.good for one in checks)
    if good == count:
        return f"All {count} checks are good."
    not_made, look = (sum(one.remark == remark for one in checks) for remark in ("not made", "look at"))
    more = [f"{not_made} could not be made"] * bool(not_made) + [f"look at {look} more"] * bool(look)
    return f"{good} of {count} checks are good; {', '.join(more)}."
