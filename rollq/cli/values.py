"""Values of options that every verb understands alike: paths, and amounts that are numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rollq.tasks.backend import Backend

MOST = 1e8  # three years of seconds; Python's clocks end somewhere beyond


def at_home(value: object) -> object:
    """A path, or paths, in which ``~`` is the home, also where no shell looked at it, as in ``--report=~/a.html``."""
    if isinstance(value, Path):
        try:
            return value.expanduser()
        except RuntimeError as error:
            raise typer.BadParameter(f"{value}: {error}") from None
    return [at_home(one) for one in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


def amount(value: float | None) -> float | None:
    """A number of seconds or hours: finite, not below 0."""
    if value is not None and not (math.isfinite(value) and 0 <= value <= MOST):
        raise typer.BadParameter(f"{value} is not possible: use a number from 0 to {MOST:.0f}.")
    return value


def share(value: float) -> float:
    """A share between 0 and 1, without them."""
    if not 0 < value < 1:
        raise typer.BadParameter(f"{value} is not possible: use a number between 0 and 1.")
    return value


def check_pool(backend: Backend, pool: str | None) -> None:
    """Refuse a pool that does not exist: nothing in it is not the same as nothing to do.

    Raises:
        NotFound: there is none; the message names the nearest.
    """
    from rollq.tasks.components.registry import did_you_mean
    from rollq.tasks.errors import NotFound

    if pool is None:
        return
    known = backend.tasks.pools()
    if pool not in known:
        fix = did_you_mean(pool, known) if known else "There is no pool yet: `rollq enqueue TEMPLATE` makes one."
        raise NotFound(f"There is no pool {pool!r}.", fix)
