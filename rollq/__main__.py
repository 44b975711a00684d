"""The command line, as ``rollq`` and as ``python -m rollq``."""

from __future__ import annotations

from rollq.cli.main import main

if __name__ == "__main__":
    main()
