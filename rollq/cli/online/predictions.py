"""Verbs on what the models predict, day by day: rollq predictions update."""

from __future__ import annotations

from typing import Annotated

import typer

from rollq.cli.arguments import From, Strategy, To, one_strategy
from rollq.cli.context import JSON, of, print_json, say
from rollq.cli.online.trainer import this_process, trainer_of
from rollq.cli.values import amount

predictions_app = typer.Typer(help="What the models predict, day by day.", no_args_is_help=True)
SHOWN = 10  # sessions that are named
NOTHING = {"missing": "no day is missing", "revised": "no day was revised", "labels": "no label is to be learned"}


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.add_typer(predictions_app, name="predictions")
    predictions_app.command("update")(update)


def update(
    context: typer.Context,
    strategy: Strategy = None,
    revised: Annotated[bool, typer.Option("--revised", help="Days whose data were revised since, again")] = False,
    labels: Annotated[bool, typer.Option("--labels", help="Only the labels that have become known since")] = False,
    start: From = None,
    end: To = None,
    here: Annotated[bool, typer.Option("--here", help="Predict in this process, without workers")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the days, predict nothing")] = False,
    allow_gaps: Annotated[bool, typer.Option("--allow-gaps", help="Publish signals in spite of holes")] = False,
    timeout: Annotated[float | None, typer.Option(callback=amount, help="Seconds to wait [for ever]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Let the models predict the days that they lack; with --revised, those again whose data were revised since."""
    from rollq.days import day
    from rollq.tasks.errors import BadInput
    from rollq.updating import What, update_predictions

    if revised and labels:
        raise BadInput("--revised and --labels exclude each other.", "Run it twice.")
    start, end = day(start, "--from"), day(end, "--to")
    what = What.REVISED if revised else What.LABELS if labels else What.MISSING
    with of(context).backend(serve=True) as backend:
        name = one_strategy(backend, strategy)
        make, _ = trainer_of(backend, here)
        found = update_predictions(
            backend, name, make, this_process(), what, start=start, end=end, dry_run=dry_run, allow_gaps=allow_gaps,
            timeout=timeout,
        )  # fmt: skip
    if as_json:
        print_json(found)
        return
    if not found["model_days"]:
        say(f"{name}: {NOTHING[what]}.")
        return
    days = sorted({day for found_days in found["days"].values() for day in found_days})
    say(f"{name}: {len(days)} sessions {'would be' if dry_run else 'were'} predicted, by {len(found['days'])} models:")
    say("  " + ", ".join(days[:SHOWN]) + (f" and {len(days) - SHOWN} more" if len(days) > SHOWN else ""))
    if found["sessions"]:
        say(f"  signals of {len(found['sessions'])} sessions were published again, {found['sessions'][0]} and later")
