"""Prints how much changed in each port, and what is untrue in the table of names; exits with 1 if that is too much."""

from __future__ import annotations

import sys

from docs.from_qlib.names import findings
from docs.from_qlib.ports import MOST, changes, table


def main() -> int:
    """Print both; returns the exit code."""
    rows, untrue = changes(), findings()
    print("\n".join([table(rows), *untrue]))
    return int(bool(untrue) or any(row.new > MOST for row in rows))


if __name__ == "__main__":
    sys.exit(main())
