"""Writes docs/architecture.svg; with --check it only looks whether the file is current."""

from __future__ import annotations

import sys

from docs.map.imports import ROOT
from docs.map.page import draw

FILE = ROOT / "docs" / "architecture.svg"


def main(arguments: list[str]) -> int:
    """Write the map, or look whether it is current; returns the exit code."""
    text = draw()
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{FILE.relative_to(ROOT)} is not current: run `make map`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
