"""What a column may be, by its name and by its values: a price, a demand, a weight, something known in advance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollq.workers.tables.arrow_columns import NUMBER

PATTERNS: Mapping[str, str] = {
    "open": r"open|px_?open|adj_?open|o",
    "high": r"high|px_?high|adj_?high|h",
    "low": r"low|px_?low|adj_?low|l",
    "close": r"(adj_?)?close|close_?adj(usted)?|adjusted_?close|px_?last|last|settle|c",
    "volume": r"volume|vol|adj_?volume|v|shares_?traded",
    "vwap": r"vwap|avg_?price",
    "turnover": r"turnover|amount|value|money|dollar_?volume|traded_?value",
    "target": r"y|target|label|load|demand|sales|sold|quantity|qty|units|consumption|generation|power|passengers|"
    r"visits|visitors|calls|orders|count|cnt|revenue|production|traffic|energy|mwh|kwh|rides|unit_?sales",
    "weight": r"weight|weights|w|sample_?weight|market_?cap|mkt_?cap|cap",
    "member": r"member|is_?member|in_?(index|universe|market|sp500)|tradable|active|investable|eligible",
    "known": r".*(forecast|fcst|predicted|planned|_fc)(_.*)?|(on_?|is_?)?promo(tion)?|(is_?)?holiday|school_?holiday|"
    r"state_?holiday|event|discount",
    "return": r"ret(urn)?s?(_\d+d?)?|pct_?change|chg",
    "price": r"price|px|nav|spot|mid|rate|fx|index_?level|level",
}
ODD = 0.02  # share of prices that may be wrong: more zeros than that, and it is none
COMPILED = {role: re.compile(pattern) for role, pattern in PATTERNS.items()}


@dataclass(frozen=True)
class ColumnProfile:
    """A column and its values. Shares are of all rows (``missing``) or of the values that there are (the others).

    ``jumps``: steps of one series by more than half of the value; ``flag``: there is nothing but 0 and 1;
    ``whole``: there are whole numbers only; ``distinct``: how many texts there are.
    """

    name: str
    kind: str
    missing: float
    zeros: float = 0.0
    negative: float = 0.0
    least: float | None = None
    median: float | None = None
    most: float | None = None
    whole: bool = False
    flag: bool = False
    jumps: int = 0
    distinct: int = 0

    @property
    def role(self) -> str:
        """What it may be: a role of ``PATTERNS``, ``category``, ``flag``, ``empty``, or ``feature``."""
        name = re.sub(r"[^0-9a-z]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).lower()).strip("_")
        if self.kind != NUMBER:
            return "category"
        if self.missing == 1:
            return "empty"
        found = next((role for role, pattern in COMPILED.items() if pattern.fullmatch(name)), "feature")
        if found == "member" and not self.flag:
            return "feature"
        if found in ("open", "high", "low", "close", "price") and self.negative + self.zeros > ODD:
            return "feature"
        return "flag" if found == "feature" and self.flag else found


def by_role(columns: Sequence[ColumnProfile]) -> dict[str, str]:
    """The first column of each role."""
    found: dict[str, str] = {}
    for column in columns:
        found.setdefault(column.role, column.name)
    return found
