"""Writes docs/reference/expressions.md anew."""

from __future__ import annotations

from docs.expressions.page import PAGE, page


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
