"""Prints how much changed in each port; the exit code is 1 if one of them changed too much."""

from __future__ import annotations

import sys

from docs.from_qlib.ports import MOST, changes, table


def main() -> int:
    """Print the table; returns the exit code."""
    rows = changes()
    print(table(rows))
    return int(any(row.new > MOST for row in rows))


if __name__ == "__main__":
    sys.exit(main())
