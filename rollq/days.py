"""Dates as they are typed for an option."""

from __future__ import annotations

from datetime import date

from rollq.tasks.errors import BadInput


def day(text: str | None, option: str) -> str | None:
    """A date as ``YYYY-MM-DD``; None stays None.

    Raises:
        BadInput: it is no date; the message names the option.
    """
    try:
        return None if text is None else date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadInput(f"{option}: {text!r} is not a date.", "Write it as YYYY-MM-DD.") from None
