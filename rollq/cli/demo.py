"""The verb demo: the whole main job on the prices that ship with rollq."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.comparison import show_comparison
from rollq.cli.context import JSON, metrics_line, of, print_json, print_table, say
from rollq.cli.progress import ProgressBar, called_as
from rollq.cli.values import at_home

if TYPE_CHECKING:
    from rollq.demo import DemoResult


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command()(demo)


def demo(
    context: typer.Context,
    template: Annotated[
        Path | None, typer.Option(callback=at_home, help="Another template [examples/pse/lightgbm.yaml]")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes [one per core]")] = None,
    pool: Annotated[str | None, typer.Option(help="Task pool [a new one for each run]")] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Run the main job: windows, workers, MLflow, online models, signals, and a report."""
    from rollq.demo import run_demo

    context_ = of(context)
    settings = context_.settings(log_level=context_.overrides.get("log_level") or "WARNING")
    with ProgressBar(quiet=as_json) as progress:
        result = run_demo(settings, template, workers, pool, progress.phase, progress.update)
    if as_json:
        print_json(result.to_dict())
    else:
        _show(result)


def _show(result: DemoResult) -> None:
    """The result for a person, and commands to try next, as this one was called."""
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in result.phases)
    rows: list[list[object]] = [
        ["windows", f"{result.windows} ({result.done} done, {result.failed} failed)"],
        ["workers", f"{result.workers}, busy {result.busy:.0%} of the training"],
        ["online set", f"{result.strategy} version {result.version}"],
        ["metrics", metrics_line(result.metrics)],
        ["signals", f"{result.signals['rows']} rows, {result.signals['start']} to {result.signals['end']}"],
        ["", str(result.signals["path"])],
        ["sha256", str(result.signals["sha256"])],
        ["seconds", f"{result.total:.1f} in all: {seconds}"],
        ["report", str(result.report)],
    ]
    print_table("The main job is done", ["what", "result"], rows)
    for found in result.compared:
        show_comparison(found)
    for challenger, why in result.apart.items():
        say(f"{challenger} is not compared: {why}")
    command = called_as()
    say("\nTry next:")
    say(f"  {command} signals show            what the models that are online say about the last session")
    say(f"  {command} online show             which models are online, and since when")
    say(f"  {command} tasks list --limit 5    the windows, and what became of them")
