"""``python -m docs.html [FOLDER]``: builds the documentation, or says what is wrong with it and exits with 1."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.html.site import build


def main() -> int:
    """Build into the folder that was named, by default ``site``."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    problems = build(folder)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"Open {folder / 'index.html'}.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
