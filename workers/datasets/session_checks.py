"""A look at the sessions of a price table before anything is trusted: what is odd is named, or left out.

A session that is left out counts as not there: it is in no segment, in no look-back and in no label, until it is
repaired or accepted. So what is odd hurts no other session.

A session is judged by those up to it, so that no later one decides about it: what is appended changes no window of the
past. Only dates that lie apart (``far``) are seen in the whole file, because they may lie before all others.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Collection
from statistics import median

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.dataset import Finding
from rollq.tasks.rolling.data_checks import (
    BAR,
    DUPLICATE,
    JUMP,
    NAME,
    PRICE,
    STALE,
    THIN,
    DataChecks,
)
from rollq.workers.datasets.session_dates import far, weekend

RECENT = 20  # sessions that say how many instruments are usual, and for how long a close can be compared with
FEWEST = 5  # instruments from which on prices that all stay the same say something
SHOWN = 3  # instruments that are named
Texts = npt.NDArray[np.str_]
Mask = npt.NDArray[np.bool_]


def find(prices: pd.DataFrame, checks: DataChecks, universe: Collection[str] | None = None) -> list[Finding]:
    """What is odd about a price table, whatever the day, by session.

    Args:
        prices: datetime, instrument, close; and open, high, low if there are any.
        universe: the instruments whose rows are looked at; whether a session is thin or stale is seen in all of them.
    """
    sessions, rows = _texts(prices["datetime"]), _odd_rows(prices, checks)
    wide = _wide(prices, rows, sessions, checks)
    mine = np.ones(len(prices), dtype=bool) if universe is None else prices["instrument"].isin(universe).to_numpy()
    odd = pd.concat(
        [_described(prices, rows[check] & (mine | (check == NAME)), sessions, check) for check in rows],
        ignore_index=True,
    )
    dates = [*far(wide.index, checks), *weekend(wide.index, checks)]
    columns = np.ones(len(wide.columns), dtype=bool) if universe is None else wide.columns.isin(universe)
    walk = _Walk(wide, columns, odd, checks, {one.session for one in dates if one.left_out})
    return sorted([*dates, *walk.findings()], key=lambda one: (one.session, one.check))


def usable_closes(prices: pd.DataFrame, checks: DataChecks, out: Collection[str]) -> pd.DataFrame:
    """Closes, sessions x instruments, without the sessions ``out``; what cannot be a close is a gap."""
    sessions = _texts(prices["datetime"])
    wide = _wide(prices, _odd_rows(prices, checks), sessions, checks)
    kept = wide.loc[[day not in out for day in wide.index]]
    kept.index = pd.DatetimeIndex(kept.index, name="datetime")
    return kept


def _texts(days: pd.Series) -> Texts:
    """Dates as YYYY-MM-DD, those of the year 1 too."""
    texts: Texts = np.datetime_as_string(days.to_numpy().astype("datetime64[D]"))
    return texts


# -- rows -------------------------------------------------------------------------------------------------------------


def _odd_rows(prices: pd.DataFrame, checks: DataChecks) -> dict[str, Mask]:
    """Which rows are odd by themselves, by check."""
    close = prices["close"].to_numpy()
    twice = prices.duplicated(["datetime", "instrument"], keep=False).to_numpy()
    rows = {PRICE: (close <= 0) | np.isinf(close), DUPLICATE: twice}
    rows[NAME] = misspelt(prices) if checks.name else np.zeros(len(prices), dtype=bool)
    rows[BAR] = _inconsistent(prices) if checks.bar else np.zeros(len(prices), dtype=bool)
    return rows


def misspelt(prices: pd.DataFrame) -> Mask:
    """Rows whose name differs by blanks, case or what cannot be seen from one that is more frequent up to their day."""
    names, spelt = prices["instrument"], dict[str, list[str]]()
    for name in names.unique():
        spelt.setdefault(plain_name(str(name)), []).append(name)
    wrong = np.zeros(len(prices), dtype=bool)
    for alike in spelt.values():
        if len(alike) > 1:
            chosen = names.isin(alike).to_numpy()
            wrong[chosen] = _rarer(prices.loc[chosen, "datetime"], names[chosen])
    return wrong


def _rarer(days: pd.Series, names: pd.Series) -> Mask:
    """Which rows have another spelling than the most frequent one up to their day; of equal ones the first."""
    first = days.groupby(names).min()
    order = sorted(first.index, key=lambda name: (first[name], name))
    usual = pd.crosstab(days, names)[order].cumsum().idxmax(axis="columns")
    found: Mask = (names != days.map(usual)).to_numpy()
    return found


def plain_name(name: str) -> str:
    """What two spellings of a name have in common: compatible characters are one, blanks and control characters
    (Unicode's categories Z and C) are none, case is folded.
    """
    seen = (char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char)[0] not in "CZ")
    return "".join(seen).casefold()


def _inconsistent(prices: pd.DataFrame) -> Mask:
    """Rows whose high is not the highest, or whose low not the lowest, of open, high, low and close."""
    odd = np.zeros(len(prices), dtype=bool)
    for name, sign in (("high", 1), ("low", -1)):
        if name in prices.columns:
            bound = prices[name].to_numpy() * sign
            for other in {"open", "high", "low", "close"} & set(prices.columns):
                odd |= prices[other].to_numpy() * sign > bound
    return odd


def _wide(prices: pd.DataFrame, rows: dict[str, Mask], sessions: Texts, checks: DataChecks) -> pd.DataFrame:
    """Closes, sessions (as text) x instruments, of the rows that can be used.

    Of two rows of an instrument and day the last one is used where the session is accepted, or where they say the same.
    """
    close = prices["close"].where(~rows[PRICE])
    usable = ~rows[NAME] | np.isin(sessions, _accepted(checks, NAME))
    twice = rows[DUPLICATE]
    if twice.any():
        same = prices.duplicated(["datetime", "instrument", "close"], keep=False).to_numpy()
        # The last one, because files that are appended to hold the correction after what it corrects.
        last = ~prices.duplicated(["datetime", "instrument"], keep="last").to_numpy()
        usable &= ~twice | (last & (same | np.isin(sessions, _accepted(checks, DUPLICATE))))
    table = pd.DataFrame({"datetime": sessions, "instrument": prices["instrument"], "close": close})
    wide = table[usable].pivot(index="datetime", columns="instrument", values="close")
    return wide.reindex(sorted(set(sessions.tolist())))


def _accepted(checks: DataChecks, check: str) -> list[str]:
    return [entry[:10] for entry in checks.accept if entry[10:] in ("", f":{check}")]


def _described(prices: pd.DataFrame, chosen: Mask, sessions: Texts, check: str) -> pd.DataFrame:
    found = prices[chosen]
    pairs = zip(found["instrument"], found["close"], strict=True)
    what = [_about(check, str(name), float(close)) for name, close in pairs]
    return pd.DataFrame({"session": sessions[chosen], "check": check, "what": what})


def _about(check: str, name: str, close: float) -> str:
    if check == NAME:
        return repr(name)
    if check == BAR:
        return name
    return f"{name} is {close:.6g}" if check == PRICE else f"{name} has {close:.6g}"


# -- one session after the other --------------------------------------------------------------------------------------


class _Walk:
    """Goes through the sessions in their order. Each is compared with those before it that were not left out."""

    def __init__(self, wide: pd.DataFrame, mine: Mask, odd: pd.DataFrame, checks: DataChecks, out: set[str]) -> None:
        """``wide``: closes, sessions x instruments; ``odd``: rows that are odd by themselves, with session, check and
        text.
        """
        self._names = wide.columns.to_numpy()
        self._days = list(wide.index)
        self._closes = wide.to_numpy()
        self._mine = mine  # the columns whose closes are looked at
        self._checks = checks
        self._out = out
        self._odd: dict[str, dict[str, list[str]]] = {}
        for (session, check), rows in odd.groupby(["session", "check"]):
            self._odd.setdefault(str(session), {})[str(check)] = rows["what"].tolist()
        self._counts: deque[int] = deque(maxlen=RECENT)
        self._last = np.full(len(self._names), np.nan)  # the last close of each instrument
        self._since = np.full(len(self._names), RECENT + 1)  # how many sessions ago that was

    def findings(self) -> list[Finding]:
        """What is odd about each session, but for its date."""
        found: list[Finding] = []
        for place, session in enumerate(self._days):
            closes = self._closes[place]
            new = self._session(session, closes)
            found += new
            # What is left out is no yardstick: a session of wrong prices would make the next, right one look like a
            # jump.
            if session not in self._out and not any(one.left_out for one in new):
                self._remember(closes)
        return found

    def _remember(self, closes: npt.NDArray[np.float64]) -> None:
        there = ~np.isnan(closes)
        self._counts.append(int(there.sum()))
        self._last = np.where(there, closes, self._last)
        self._since = np.where(there, 1, self._since + 1)

    def _session(self, session: str, closes: npt.NDArray[np.float64]) -> list[Finding]:
        """What is odd about a session. Rows by themselves are odd, a session is left out where too large a share of
        them is.
        """
        there = ~np.isnan(closes)
        rows = self._odd.get(session, {})
        made = [*self._thin(session, int(there.sum())), *self._stale(session, closes, there)]
        # Whether a session is thin or stale was seen in all instruments; what follows concerns those of the universe
        # only.
        there &= self._mine
        count = int(there.sum())
        if session not in self._out:
            rows = {**rows, JUMP: self._jumps(closes, there)}
        whole = max(count + len(rows.get(PRICE, ())), *(len(what) for what in rows.values()), 1)
        for check, what in rows.items():
            if what:
                limit = self._checks.bar if check == BAR else self._checks.share
                made.append(self._made(session, check, _said(check, what, whole), len(what) > (limit or 1) * whole))
        return made

    def _thin(self, session: str, count: int) -> list[Finding]:
        usual = median(self._counts) if self._counts else 0
        threshold = self._checks.thin
        if threshold is None or (count and count >= threshold * usual):
            return []
        what = f"{count} of {usual:.0f} instruments have a close" if usual else "no instrument has a close"
        return [self._made(session, THIN, what, True)]

    def _stale(self, session: str, closes: npt.NDArray[np.float64], there: Mask) -> list[Finding]:
        both = there & (self._since == 1)
        count = int(both.sum())
        if self._checks.stale is None or count < FEWEST:
            return []
        same = int((closes[both] == self._last[both]).sum())
        if same < self._checks.stale * count:
            return []
        return [self._made(session, STALE, f"{same} of {count} closes are those of the session before", True)]

    def _jumps(self, closes: npt.NDArray[np.float64], there: Mask) -> list[str]:
        if self._checks.jump is None:
            return []
        comparable = there & (self._since <= RECENT)
        # 1 is no jump: an instrument without a comparable close says nothing.
        ratio = np.ones(len(closes))
        ratio[comparable] = closes[comparable] / self._last[comparable]
        most = 1 + self._checks.jump
        odd = np.flatnonzero((ratio >= most) | (ratio <= 1 / most))
        return [f"{self._names[at]} went from {self._last[at]:.6g} to {closes[at]:.6g}" for at in odd]

    def _made(self, session: str, check: str, what: str, out: bool) -> Finding:
        accepted = self._checks.accepts(session, check)
        return Finding(session, check, what, out and not accepted, accepted)


def _said(check: str, what: list[str], whole: int) -> str:
    shown = ", ".join(what[:SHOWN]) + (f" and {len(what) - SHOWN} more" if len(what) > SHOWN else "")
    of = f"{len(what)} of {whole} instruments"
    return {
        JUMP: f"{of} jump: {shown}",
        PRICE: f"{of} have no possible close: {shown}",
        DUPLICATE: f"{len(what)} rows are there twice: {shown}",
        NAME: f"{of} have a name like another one, but for blanks, case or what cannot be seen: {shown}",
        BAR: f"{of} have a high or low that is none: {shown}",
    }[check]
