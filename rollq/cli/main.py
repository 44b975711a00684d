"""The command line's front: options that every verb has, and how errors leave."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from rollq.cli import backfill, check, data, demo, enqueue, init, inspect, migration, research, run
from rollq.cli.context import Context, say
from rollq.cli.online import predictions, routine, serving, signals, simulate
from rollq.tasks.errors import RollqError, Unavailable

LOOK = "`rollq doctor` looks at all of it."
INTERRUPTED = 130

# No rich markup and no pretty exceptions: both import rich, and `rollq --help` is to answer at once.
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
    app_dir: Annotated[
        Path | None, typer.Option(help="Folder of your own modules [this one, and the template's]")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks")] = False,
) -> None:
    """Options before the verb; ROLLQ_... variables and rollq.toml set the same (docs/reference/settings.md)."""
    given = {"state_dir": state_dir, "log_level": log_level and log_level.upper(), "log_format": log_format}
    context.obj = Context({**given, "app_dir": app_dir}, debug)


run.add_to(app)
enqueue.add_to(app)
backfill.add_to(app)
serving.add_to(app)
research.add_to(app)
routine.add_to(app)
predictions.add_to(app)
signals.add_to(app)
data.add_to(app)
init.add_to(app)
check.add_to(app)
migration.add_to(app)
inspect.add_to(app)
simulate.add_to(app)
demo.add_to(app)


def main() -> None:
    """Run the command line; leave with a documented exit code (docs/reference/exit-codes.md)."""
    debug = "--debug" in sys.argv or os.environ.get("ROLLQ_DEBUG") == "1"
    # As they are, these signals end Python without running what stands in a `finally`: servers and workers would be
    # left behind.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _leave_orderly)
    try:
        code = _run()
        sys.stdout.flush()  # here its error can be told
        sys.exit(code)
    except RollqError as error:
        if debug:
            raise
        hint = LOOK if isinstance(error, Unavailable) else ""
        _complain(error.message, f"{error.fix} {hint}".strip())
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What is done stays done.\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _forget_output()
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last resort: a line, not a traceback
        _leave(error, debug)


def _run() -> int:
    """The exit code of a verb; Ctrl-C, of which Typer makes an exit code, is raised again."""
    code = int(app(standalone_mode=False) or 0)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code


def _leave_orderly(number: int, _: object) -> None:
    """So that what was started is stopped, and what is held is given back."""
    sys.exit(128 + number)


def _leave(error: Exception, debug: bool) -> None:
    """Usage errors of the command line, what is wrong around us, errors of the user's code, and defects of rollq."""
    if isinstance(error, TyperException):
        _complain(error.format_message(), "See --help of this verb.")
        sys.exit(2)
    if isinstance(error, typer.Exit):
        sys.exit(error.exit_code)
    if isinstance(error, typer.Abort):
        sys.exit(INTERRUPTED)
    if debug:
        raise error
    # Imported late: the happy path of every command would pay for it.
    from rollq.tasks.components.user_code import place_of
    from rollq.tasks.failures import described, is_disk, is_full, is_outage

    if is_disk(error):
        _forget_output()
        what = "There is no space left" if is_full(error) else "The disk does not do what it should"
        _complain(f"{what}: {described(error)}.", "Correct that, then do it again; nothing that was done is lost.")
        sys.exit(4)
    if is_outage(error):
        _complain(f"A server does not do what it should: {described(error)}.", LOOK)
        sys.exit(4)
    if place := place_of(error):
        _complain(f"{described(error)} ({place})", "It comes from your own code: correct it there.")
        sys.exit(1)
    # After disks and servers, whose errors are OSErrors, too.
    if isinstance(error, OSError) and error.filename is not None:
        _complain(f"{error.filename}: {error.strerror}.", "Look at this path and its permissions.")
        sys.exit(2)
    _complain(f"Unexpected {described(error)}", "This is a defect of rollq: run again with --debug.")
    sys.exit(70)


def _forget_output() -> None:
    """What is left to be written goes nowhere: Python would complain about it once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _complain(message: str, fix: str) -> None:
    lines = [f"Error: {message}"]
    if fix:
        lines.append(f"  Fix: {fix}")
    sys.stderr.write("\n".join(lines) + "\n")
