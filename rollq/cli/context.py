"""What every verb needs: settings, a backend, and a way to print."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rollq.tasks.backend import Backend
    from rollq.tasks.config.settings import Settings

JSON = typer.Option("--json", help="Print one JSON value")


@dataclass
class Context:
    """The options before the verb."""

    overrides: dict[str, object]
    debug: bool

    def settings(self, **more: object) -> Settings:
        """The settings of this command.

        Raises:
            SettingsError: one of them is wrong.
        """
        from rollq.tasks.components.app_dir import add_app_dir
        from rollq.tasks.config.settings import load_settings
        from rollq.tasks.logs import setup_logging

        settings = load_settings(**{**self.overrides, **more})
        setup_logging(settings.log_level, settings.log_format)
        # Before any component is looked for, and after the settings: one of them names the folder.
        add_app_dir(settings.app_dir)
        return settings

    @contextmanager
    def backend(self, serve: bool = False, **more: object) -> Iterator[Backend]:
        """The servers, whichever they are; ``serve`` as for ``rollq.local.attach``.

        Raises:
            Unavailable: there are none, or they do not answer.
        """
        from rollq.local.attach import attach
        from rollq.tasks.backend import Backend

        with attach(self.settings(**more), serve) as settings:
            backend = Backend.of(settings)
            try:
                backend.prepare()
                yield backend
            finally:
                backend.store.close()


def of(context: typer.Context) -> Context:
    """The options of this run."""
    found: Context = context.find_root().obj
    return found


def print_json(value: object, indent: int | None = 1) -> None:
    """One value of strict JSON on standard output; without ``indent`` it takes one line."""
    from rollq.tasks.files.strict_json import dumps

    sys.stdout.write(dumps(value, indent) + "\n")


def say(text: str) -> None:
    """A line for a person, on standard output."""
    sys.stdout.write(text + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for a person."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    # A pipe has no width: rich would take 80 columns and break ids, which others search for.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


NUMBERS = {
    "waiting",
    "running",
    "done",
    "failed",
    "quarantined",
    "cancelled",
    "part done",
    "attempts",
    "prio",
    "rows",
    "models",
    "difference",
}


def segment(bounds: Sequence[str | None] | None) -> str:
    """A segment as text."""
    if not bounds:
        return ""
    return f"{bounds[0]} to {bounds[1]}" if bounds[1] else f"{bounds[0]} on"


def metrics_line(metrics: Mapping[str, float], better: Mapping[str, str] | None = None) -> str:
    """Metrics as text, with an arrow for what is better; those of groups are counted only.

    Args:
        metrics: by name.
        better: what is better of those that are not known by their names.
    """
    from rollq.tasks.predictions.directions import main_metrics, marked

    names = main_metrics(metrics)
    shown = [f"{marked(name, better)} {metrics[name]:.4f}" for name in names]
    more = len(metrics) - len(names)
    return ", ".join([*shown, *([f"and {more} more of single groups: --json shows them"] if more else [])])
