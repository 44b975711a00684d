"""The verb import qlib: bring runs along that Qlib recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollq.cli.arguments import me
from rollq.cli.context import JSON, of, print_json, print_table, say
from rollq.cli.values import at_home

if TYPE_CHECKING:
    from rollq.migration.report import ExperimentLine, Report

import_app = typer.Typer(help="Bring along what another program recorded.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these verbs."""
    app.add_typer(import_app, name="import")
    import_app.command("qlib")(qlib)


@import_app.callback()
def group() -> None:
    """Bring along what another program recorded."""


def qlib(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Folder mlruns, sqlite:///FILE, or http://SERVER of Qlib's MLflow")],
    experiment: Annotated[
        list[str] | None, typer.Option("--experiment", help="Only this one; may be repeated [all]")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the experiment and its strategy are called here")] = None,
    provider_uri: Annotated[
        Path | None, typer.Option(callback=at_home, help="Folder of Qlib's data: so models can predict later days")
    ] = None,
    region: Annotated[str, typer.Option(help="Region of these data: cn, us or tw")] = "cn",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written, and what not")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Import the runs of a pyqlib, and what served as a first online set; exits with 5 if something is left out."""
    from rollq.migration.importer import Importer
    from rollq.migration.opening import open_source, shown
    from rollq.workers.qlib.data.provider import check_init

    init = check_init({"provider_uri": str(provider_uri.absolute()), "region": region}) if provider_uri else None
    with of(context).backend() as backend:
        opened = open_source(source, own=backend.settings.mlflow_uri)
        try:
            report = Importer(backend, opened, shown(source), me(), dry_run, init).run(experiment or (), name)
        finally:
            opened.close()
    if as_json:
        print_json(report.to_dict())
    else:
        _show(report)
    if not report.whole:
        raise typer.Exit(5)


def _show(report: Report) -> None:
    """The experiments with their runs, then what it comes to."""
    from rollq.migration.report import Fate

    for one in report.experiments:
        called = f"{one.name}, here {one.to}" if one.to != one.name else one.name
        if one.why:
            say(f"{called}: nothing is imported: {one.why}")
            continue
        rows = [[run.id, run.name, run.status, run.fate, run.why or run.recorder_id] for run in one.runs]
        print_table(called, ["run", "name", "status", "", "why, or its run here"], rows)
        _show_set(one, report.dry_run)
    counts = {fate: report.count(fate) for fate in Fate}
    if not report.experiments:
        say("The source has no runs.")
    elif any(counts.values()):
        say(", ".join(f"{count} {fate}" for fate, count in counts.items() if count))
    if counts[Fate.LEFT_OUT]:
        say("What is left out can be imported later, when its reason is gone: the same command imports nothing twice.")


def _show_set(one: ExperimentLine, dry_run: bool) -> None:
    if one.not_online:
        say(f"  Nothing of it is put online: {one.not_online}.")
    elif one.models and dry_run:
        say(f"  {one.models} models served: they would be version 1 of {one.to}.")
    elif one.models:
        was = "are" if one.new_version else "were already"
        say(
            f"  {one.models} models served: they {was} version {one.version} of {one.to}: `rollq online show {one.to}`."
        )
