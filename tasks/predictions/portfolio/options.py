"""What a portfolio is made by: the keywords of ``PortfolioRecord``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from rollq.tasks.errors import BadInput

TOPK, LONG_SHORT, PROPORTIONAL = "topk", "long_short", "proportional"
EQUAL, INSTRUMENT, COLUMN = "equal", "instrument", "column"
BENCHMARK_FIX = "Write equal, {instrument: SPY}, {column: index_close}, or null for none."


@dataclass(frozen=True)
class PortfolioOptions:
    """How signals become a portfolio. ``docs/reference/portfolio.md`` has the conventions.

    Args:
        strategy: ``topk``: the ``k`` highest scores, of which at most ``n_drop`` are replaced a session;
            ``long_short``: the best ``quantile`` of the scores bought, the worst sold short, half of the value each;
            ``proportional``: weights as the scores are, of the positive ones (``long_only``), or of all less their
            mean, whose sizes then add up to the value.
        k, n_drop, quantile, long_only: as above.
        price: the column at which is traded and valued.
        delay: sessions from a signal to the price at which it is traded; at least 1, because the signal of a session
            is not known before its end.
        buy_bps, sell_bps: costs of what is bought and sold, in hundredths of a percent of its value.
        benchmark: ``equal``, ``{instrument: NAME}``, ``{column: NAME}`` with a level that is the same for all
            instruments of a session, or None.
        sessions_per_year: None: by the distances of the sessions.
        delisted_after: a position without a price for more sessions than that is closed at its last price.
        delisting_return: what it is worth then, less 1: -0.3, if it is to have lost 30 %.
    """

    strategy: str = TOPK
    k: int = 50
    n_drop: int = 5
    quantile: float = 0.2
    long_only: bool = True
    price: str = "close"
    delay: int = 1
    buy_bps: float = 5.0
    sell_bps: float = 15.0
    benchmark: str | Mapping[str, str] | None = EQUAL
    sessions_per_year: float | None = None
    delisted_after: int = 20
    delisting_return: float = 0.0

    def __post_init__(self) -> None:
        """Raises BadInput, if a value is not possible."""
        if self.strategy not in (TOPK, LONG_SHORT, PROPORTIONAL):
            raise BadInput(f"strategy {self.strategy!r} is unknown.", f"Use {TOPK}, {LONG_SHORT} or {PROPORTIONAL}.")
        for name, least in (("k", 1), ("n_drop", 0), ("delay", 1), ("delisted_after", 0)):
            _check_count(name, getattr(self, name), least)
        _check_number("quantile", self.quantile, 0, 0.5, "above 0 and at most 0.5", open_low=True)
        for name in ("buy_bps", "sell_bps"):
            _check_number(name, getattr(self, name), 0, 10_000, "from 0 to 10000")
        _check_number("delisting_return", self.delisting_return, -1, math.inf, "of at least -1")
        if self.sessions_per_year is not None:
            _check_number("sessions_per_year", self.sessions_per_year, 0, math.inf, "above 0", open_low=True)
        _check_name(self.price)
        self._check_benchmark()

    @property
    def benchmark_column(self) -> str | None:
        """The column that holds the level of the benchmark."""
        return self.benchmark.get(COLUMN) if isinstance(self.benchmark, Mapping) else None

    @property
    def benchmark_instrument(self) -> str | None:
        """The instrument that is the benchmark."""
        return self.benchmark.get(INSTRUMENT) if isinstance(self.benchmark, Mapping) else None

    @classmethod
    def of(cls, kwargs: Mapping[str, object]) -> Self:
        """Of what ``to_dict`` gave; keys of other versions are left out. Raises BadInput as the class."""
        known = {field.name for field in fields(cls)}
        chosen: dict[str, Any] = {name: value for name, value in kwargs.items() if name in known}
        return cls(**chosen)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return asdict(self)

    def _check_benchmark(self) -> None:
        one = self.benchmark
        if one is None or one == EQUAL:
            return
        if not isinstance(one, Mapping) or len(one) != 1 or not {*one} <= {INSTRUMENT, COLUMN}:
            raise BadInput(f"benchmark {one!r} is not possible.", BENCHMARK_FIX)


def _check_name(price: object) -> None:
    if not isinstance(price, str) or not price:
        raise BadInput(f"price {price!r} is no column.", "Name the column of prices, such as close.")


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BadInput(f"{name} {value!r} is not possible.", f"Use a whole number of at least {least}.")


def _check_number(name: str, value: object, low: float, high: float, what: str, *, open_low: bool = False) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not good or (open_low and value == low):
        raise BadInput(f"{name} {value!r} is not possible.", f"Use a number {what}.")
