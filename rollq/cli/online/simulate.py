"""The verb simulate: templates kept online over past sessions."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.context import JSON, of, print_json, print_table, say
from rollq.cli.data import Rtype, Step
from rollq.cli.progress import ProgressBar, called_as
from rollq.cli.values import amount, at_home

if TYPE_CHECKING:
    from rollq.simulation.runner import SimulationResult

METRICS = ("IC", "ICIR", "Rank IC", "Rank ICIR")


def add_to(app: typer.Typer) -> None:
    """Add this verb."""
    app.command()(simulate)


def simulate(
    context: typer.Context,
    templates: Annotated[
        list[Path], typer.Argument(callback=at_home, metavar="TEMPLATE...", help="Task templates (YAML)")
    ],
    begin: Annotated[str | None, typer.Option("--from", help="First session [online.begin, or start of test]")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last session [the last of the data]")] = None,
    name: Annotated[str | None, typer.Option(help="Name [made of the templates and the range]")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes; 0: those that run [one per core]")] = None,
    here: Annotated[bool, typer.Option("--here", help="Train in this process, without workers")] = False,
    serial: Annotated[
        bool, typer.Option("--serial", help="Train each window on its session, not all together")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(callback=at_home, help="The page [in the state folder, under runs/]")
    ] = None,
    timeout: Annotated[float, typer.Option(callback=amount, help="Seconds until it gives up")] = 3600.0,
    allow_gaps: Annotated[bool, typer.Option("--allow-gaps", help="Publish signals in spite of holes")] = False,
    step: Step = None,
    rtype: Rtype = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Live through past sessions with templates that are kept online, and write a page about it."""
    from rollq.simulation.runner import Request, run_simulation

    context_ = of(context)
    settings = context_.settings(log_level=context_.overrides.get("log_level") or "WARNING")
    request = Request(templates, begin, end, name, workers, here, serial, report, timeout, allow_gaps, step, rtype)
    with ProgressBar(quiet=as_json) as progress:
        result = run_simulation(settings, request, progress.phase, progress.update)
    if as_json:
        print_json(result.to_dict())
    else:
        _show(result)


def _show(result: SimulationResult) -> None:
    """The result for a person. Names are quoted for a shell: that of a simulation may hold what a shell reads."""
    online = result.online
    rows: list[list[object]] = []
    for track in online.series:
        metrics = [f"{track.metrics[key]:.4f}" if key in track.metrics else "" for key in METRICS]
        rows.append([track.label, *metrics, track.models, track.coverage.covered])
    title = f"{online.title}, {online.begin} to {online.end}"
    print_table(title, ["strategy", *METRICS, "models", "sessions"], rows)
    for note in online.notes:
        say(note)
    seconds = ", ".join(f"{phase} {value:.1f}" for phase, value in online.phases)
    trained = f"{result.trained} windows trained" if result.trained else "all windows were trained before"
    say(f"\n{trained}; {result.total:.1f} s in all: {seconds}")
    say(f"page: {result.report}")
    command, strategy = called_as(), shlex.quote(online.tracks[0].name)
    say("\nTry next:")
    say(f"  {command} online history {strategy}    which models came online when")
    say(f"  {command} signals show {strategy}      what they say about the last session")
