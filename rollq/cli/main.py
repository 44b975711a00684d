"""The command line's front: options that every verb has, and how errors leave."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from rollq.cli import backfill, data, demo, inspect, online, routine, run, signals, simulate, work
from rollq.cli.context import Context, say
from rollq.shadow import check_shadowing
from tasks.errors import RollqError, Unavailable

LOOK = "`rollq doctor` looks at all of it."

app = typer.Typer(
    name="rollq",
    help="A distributed task queue for rolling (walk-forward) training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from rollq import __version__

        say(f"rollq {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit")
    ] = False,
    state_dir: Annotated[Path | None, typer.Option(help="Folder of the embedded stack [.rollq]")] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR [INFO]")] = None,
    log_format: Annotated[str | None, typer.Option(help="human or json [human]")] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks")] = False,
) -> None:
    """Options before the verb; ROLLQ_... variables and rollq.toml set the same (docs/reference/settings.md)."""
    context.obj = Context(
        {"state_dir": state_dir, "log_level": log_level and log_level.upper(), "log_format": log_format}, debug
    )


run.add_to(app)
work.add_to(app)
backfill.add_to(app)
online.add_to(app)
routine.add_to(app)
signals.add_to(app)
data.add_to(app)
inspect.add_to(app)
simulate.add_to(app)
demo.add_to(app)


def main() -> None:
    """Run the command line; leave with a documented exit code (docs/reference/exit-codes.md)."""
    debug = "--debug" in sys.argv or os.environ.get("ROLLQ_DEBUG") == "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        check_shadowing()
        sys.exit(app(standalone_mode=False) or 0)
    except RollqError as error:
        if debug:
            raise
        hint = LOOK if isinstance(error, Unavailable) else ""
        _complain(error.message, f"{error.fix} {hint}".strip())
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What is done stays done.\n")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last resort: a line, not a traceback
        _leave(error, debug)


def _leave(error: Exception, debug: bool) -> None:
    """Usage errors of the command line, and defects of rollq itself."""
    if isinstance(error, TyperException):
        _complain(error.format_message(), "See --help of this verb.")
        sys.exit(2)
    if isinstance(error, typer.Exit):
        sys.exit(error.exit_code)
    if isinstance(error, typer.Abort):
        sys.exit(130)
    if debug:
        raise error
    _complain(f"Unexpected {type(error).__name__}: {error}", "This is a defect of rollq: run again with --debug.")
    sys.exit(70)


def _complain(message: str, fix: str) -> None:
    lines: list[Any] = [f"Error: {message}"]
    if fix:
        lines.append(f"  Fix: {fix}")
    sys.stderr.write("\n".join(lines) + "\n")
