"""Qlib's operators and alpha158 give what pyqlib gives, of instruments that begin late, rest for days, or stand still.

What is different is told in docs/reference/expressions.md, and stands here: ``DIFFERENT``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from qlib.contrib.data.loader import Alpha158DL, Alpha360DL

from rollq.workers.expressions.evaluation import evaluate
from rollq.workers.expressions.expression import LABEL, parse
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.sets.named import named_set
from tests.qlib_data import days

SESSIONS, LATE, FIELDS = 160, 37, ("open", "high", "low", "close", "vwap", "volume")
NAMES = [f"SH60000{number}" for number in range(5)]
FULL, BEGINS_LATE, RESTS, RESTS_LONG, STILL = range(5)
REFERENCE = Path(__file__).with_name("qlib_expressions_reference.py")
ROLLING = [
    *("Mean", "Sum", "Std", "Var", "Skew", "Kurt", "Max", "Min", "IdxMax", "IdxMin", "Med", "Mad", "Rank", "Count"),
    *("Slope", "Rsquare", "Resi", "WMA", "EMA"),
]
OPERATORS = {f"{name}{window}": f"{name}($close, {window})" for name in ROLLING for window in (5, 20)} | {
    "Quantile": "Quantile($close, 10, 0.8)",
    "Corr": "Corr($close, Log($volume+1), 10)",
    "Cov": "Cov($close, $volume, 10)",
    "Ref": "Ref($close, 3)",
    "Label": "Ref($close, -2)/Ref($close, -1) - 1",
    "Delta": "Delta($close, 3)",
    "EMA of a weight": "EMA($close, 0.2)",
    "operators": "Add(Sub($close,1), Mul($open, Div($high, 2)))",
    "powers": "Power($close, 2) + Abs($close-10) + Sign($close-Ref($close, 1))",
    "extremes": "Greater($close, $open) - Less($close-10, 0)",
    "condition": "If($close>Ref($close, 1), $volume, 0-$volume)",
    "counted": "Sum(If(Gt($close, Ref($close, 1)), 1, 0), 5)",
    "And": "Mean(($close>Ref($close,1)) & ($volume>Ref($volume,1)), 5)",
    "Or": "Or($close>=Ref($close,1), Le($volume, Ref($volume,1)))",
    "Not": "Not($close<Ref($close,1))",
    "Ne": "Ne($close, Ref($close, 1)) + Eq($close, $open)",
    "other instrument": "$close/ChangeInstrument('SH600000', $close)",
    "nested": "Resi(Mean(Ref($close, 2), 5), 5)",
    "infinite": "Max($volume/0, 3) + Log(10-$close)",
}
COMPARED = ("CNT", "And")
# Of which features, on which instrument, values are different, and why.
DIFFERENT = {
    # A comparison of two missing values is missing here, and not true there: behind a rest of more than one day.
    RESTS_LONG: (*COMPARED, "IdxM", "IMAX", "IMIN", "IMXD", "WMA"),
    # A window that begins in a rest begins, here, with its first value.
    RESTS: ("IdxM", "IMAX", "IMIN", "IMXD", "WMA"),
    # The deviation of a price that stands still is 0 here, and the rounding of a running sum there.
    STILL: ("Std20", "STD20"),
}


def write(folder: Path) -> Grid:
    """A data folder, and the same as a grid."""
    calendar = days(SESSIONS)
    for part in ("calendars", "instruments", "features"):
        (folder / part).mkdir(parents=True)
    (folder / "calendars/day.txt").write_text("".join(f"{day}\n" for day in calendar))
    fields = {field: np.full((SESSIONS, len(NAMES)), np.nan) for field in FIELDS}
    lines = []
    for number, name in enumerate(NAMES):
        begin = LATE if number == BEGINS_LATE else 0
        columns = drawn(number, SESSIONS - begin)
        lines.append(f"{name}\t{calendar[begin]}\t{calendar[-1]}\n")
        (folder / "features" / name.lower()).mkdir()
        for field, one in zip(FIELDS, columns, strict=True):
            np.r_[float(begin), one].astype("<f4").tofile(folder / f"features/{name.lower()}/{field}.day.bin")
            fields[field][begin:, number] = one.astype("<f4")
    (folder / "instruments/all.txt").write_text("".join(lines))
    return Grid(pd.DatetimeIndex(calendar), pd.Index(NAMES), fields)


def drawn(number: int, sessions: int) -> Values:
    """Prices and volumes of an instrument."""
    noise = np.random.default_rng(number).normal(size=(sessions, 4))
    close = 10 * np.exp(np.cumsum(noise[:, 0] * 0.02))
    opened = close * (1 + noise[:, 1] * 0.005)
    high, low = np.maximum(opened, close) * 1.005, np.minimum(opened, close) * 0.995
    columns = np.array([opened, high, low, close, (high + low + close) / 3, np.round(1e6 * np.exp(noise[:, 2] * 0.3))])
    if number == RESTS:
        columns[:, [20, 50, 77, 98]] = np.nan
    if number == RESTS_LONG:
        columns[:, 60:64] = np.nan
        columns[5, [90, 91]] = 0  # nothing was traded
    if number == STILL:
        columns[:, 100:120] = columns[:, [100]]
    return columns


def drawn_close(number: int) -> Values:
    """The closes of an instrument on all sessions."""
    begin = LATE if number == BEGINS_LATE else 0
    return np.r_[np.full(begin, np.nan), drawn(number, SESSIONS - begin)[FIELDS.index("close")]]


def reference(folder: Path, expressions: dict[str, str], double: bool) -> dict[str, Values]:
    """What pyqlib gives."""
    asked = {"expressions": expressions, "instruments": NAMES, "double": double}
    (folder / "asked.json").write_text(json.dumps(asked))
    arguments = [str(folder), str(folder / "asked.json"), str(folder / "found.parquet")]
    subprocess.run([sys.executable, "-W", "ignore", str(REFERENCE), *arguments], check=True, capture_output=True)
    found = pd.read_parquet(folder / "found.parquet")
    wide = {name: found[name].unstack("instrument")[NAMES] for name in expressions}
    return {name: one.reindex(pd.DatetimeIndex(days(SESSIONS))).to_numpy() for name, one in wide.items()}


def computed(grid: Grid, expressions: dict[str, str]) -> dict[str, Values]:
    parsed = {name: parse(text, columns=grid.fields, lead=LABEL) for name, text in expressions.items()}
    return dict(evaluate(parsed, grid))


def check(found: dict[str, Values], wanted: dict[str, Values], rtol: float, of_spread: float) -> None:
    """That values are alike to a relative error, or to a share of the feature's spread, where they are near 0."""
    wrong = {}
    for name, one in wanted.items():
        for number, instrument in enumerate(NAMES):
            if name.startswith(DIFFERENT.get(number, ("-",))):
                continue
            rows = ~np.isnan(drawn_close(number))  # a day without a close is no row of a panel
            ours, theirs = found[name][rows, number], one[rows, number]
            spread = np.nanstd(np.where(np.isfinite(theirs), theirs, np.nan)) if np.isfinite(theirs).any() else 0.0
            if not np.allclose(ours, theirs, rtol=rtol, atol=of_spread * spread + 1e-300, equal_nan=True):
                wrong[name, instrument] = np.nanmax(np.abs(ours - theirs))
    assert wrong == {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qlib") / "data"


@pytest.fixture(scope="module")
def grid(folder: Path) -> Grid:
    return write(folder)


def test_alpha158_and_alpha360_are_qlib_s_by_name_and_expression() -> None:
    for name, loader in (("alpha158", Alpha158DL), ("alpha360", Alpha360DL)):
        texts, names = loader.get_feature_config()
        ours = named_set(name, dict.fromkeys(FIELDS))
        assert list(ours) == list(names)
        for feature, text in zip(names, texts, strict=True):
            mine = parse(ours[feature], columns=FIELDS, lead=None)
            assert mine == parse(text, columns=FIELDS, lead=None), feature


def test_operators_and_alpha158_give_what_pyqlib_gives_in_double_precision(folder: Path, grid: Grid) -> None:
    expressions = OPERATORS | named_set("alpha158", dict.fromkeys(FIELDS))
    theirs = OPERATORS | dict(zip(*reversed(Alpha158DL.get_feature_config()), strict=True))
    check(computed(grid, expressions), reference(folder, theirs, double=True), rtol=1e-5, of_spread=1e-9)


def test_alpha158_gives_what_pyqlib_gives_as_it_is(folder: Path, grid: Grid) -> None:
    """Qlib computes what it can in single precision: a ratio of prices near 1 is rounded to 6e-8 of it."""
    theirs = dict(zip(*reversed(Alpha158DL.get_feature_config()), strict=True))
    ours = computed(grid, named_set("alpha158", dict.fromkeys(FIELDS)))
    check(ours, reference(folder, theirs, double=False), rtol=1e-5, of_spread=1e-4)


def test_the_differences_are_those_that_are_told(folder: Path, grid: Grid) -> None:
    texts = {"IdxMax": "IdxMax($close, 5)", "Not": "Not($close < Ref($close, 1))", "Std": "Std($close, 20)"}
    ours, theirs = computed(grid, texts), reference(folder, texts, double=True)
    assert theirs["IdxMax"][64, RESTS_LONG] == 1  # its window is three days of rest, two values
    assert ours["IdxMax"][64, RESTS_LONG] in (1, 2)
    assert theirs["IdxMax"][54, RESTS] == 1  # the gap of day 50 is the first row of its window
    assert list(np.isnan(ours["Not"][60:65, RESTS_LONG])) == [False, True, True, True, False]
    assert not np.isnan(theirs["Not"][60:65, RESTS_LONG]).any()
    assert ours["Std"][119, STILL] == 0 < theirs["Std"][119, STILL] < 1e-6
