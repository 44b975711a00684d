"""The command line, as ``rollq`` and as ``python -m rollq``."""

from __future__ import annotations

from rollq.shadowing import leave_if_hidden


def main() -> None:
    """Run the command line, if it is ours that would be imported."""
    leave_if_hidden()
    from rollq.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
