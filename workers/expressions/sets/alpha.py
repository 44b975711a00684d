"""The two sets of features that Qlib (Microsoft Research, 2020) is known for, by its names, in its operators."""

from __future__ import annotations

from collections.abc import Mapping

PRICES = ("open", "high", "low", "close", "vwap")
REQUIRED = (*PRICES, "volume")
WINDOWS = (5, 10, 20, 30, 60)
DAYS = 60  # of alpha360
SMALL = "1e-12"  # keeps a division by 0 out

# The bar of one day: where it closes, how long it is, its shadows, and how far it leans.
BAR = {
    "KMID": "(close - open) / open",
    "KLEN": "(high - low) / open",
    "KMID2": f"(close - open) / (high - low + {SMALL})",
    "KUP": "(high - Greater(open, close)) / open",
    "KUP2": f"(high - Greater(open, close)) / (high - low + {SMALL})",
    "KLOW": "(Less(open, close) - low) / open",
    "KLOW2": f"(Less(open, close) - low) / (high - low + {SMALL})",
    "KSFT": "(2 * close - high - low) / open",
    "KSFT2": f"(2 * close - high - low) / (high - low + {SMALL})",
}
UP, DOWN, MOVE = "Greater({0} - Ref({0}, 1), 0)", "Greater(Ref({0}, 1) - {0}, 0)", "Abs({0} - Ref({0}, 1))"
SWING = "Abs(close / Ref(close, 1) - 1) * volume"


def _of_moves(above: str, column: str) -> str:
    """A sum of moves as a share of the sum of their sizes."""
    return f"{above.format(column)} / (Sum({MOVE.format(column)}, {{d}}) + {SMALL})"


ROLLING = {  # {d} is the window
    "ROC": "Ref(close, {d}) / close",
    "MA": "Mean(close, {d}) / close",
    "STD": "Std(close, {d}) / close",
    "BETA": "Slope(close, {d}) / close",
    "RSQR": "Rsquare(close, {d})",
    "RESI": "Resi(close, {d}) / close",
    "MAX": "Max(high, {d}) / close",
    "MIN": "Min(low, {d}) / close",
    "QTLU": "Quantile(close, {d}, 0.8) / close",
    "QTLD": "Quantile(close, {d}, 0.2) / close",
    "RANK": "Rank(close, {d})",
    "RSV": f"(close - Min(low, {{d}})) / (Max(high, {{d}}) - Min(low, {{d}}) + {SMALL})",
    "IMAX": "IdxMax(high, {d}) / {d}",
    "IMIN": "IdxMin(low, {d}) / {d}",
    "IMXD": "(IdxMax(high, {d}) - IdxMin(low, {d})) / {d}",
    "CORR": "Corr(close, Log(volume + 1), {d})",
    "CORD": "Corr(close / Ref(close, 1), Log(volume / Ref(volume, 1) + 1), {d})",
    "CNTP": "Mean(close > Ref(close, 1), {d})",
    "CNTN": "Mean(close < Ref(close, 1), {d})",
    "CNTD": "Mean(close > Ref(close, 1), {d}) - Mean(close < Ref(close, 1), {d})",
    "SUMP": _of_moves(f"Sum({UP}, {{{{d}}}})", "close"),
    "SUMN": _of_moves(f"Sum({DOWN}, {{{{d}}}})", "close"),
    "SUMD": _of_moves(f"(Sum({UP}, {{{{d}}}}) - Sum({DOWN}, {{{{d}}}}))", "close"),
    "VMA": f"Mean(volume, {{d}}) / (volume + {SMALL})",
    "VSTD": f"Std(volume, {{d}}) / (volume + {SMALL})",
    "WVMA": f"Std({SWING}, {{d}}) / (Mean({SWING}, {{d}}) + {SMALL})",
    "VSUMP": _of_moves(f"Sum({UP}, {{{{d}}}})", "volume"),
    "VSUMN": _of_moves(f"Sum({DOWN}, {{{{d}}}})", "volume"),
    "VSUMD": _of_moves(f"(Sum({UP}, {{{{d}}}}) - Sum({DOWN}, {{{{d}}}}))", "volume"),
}


def alpha158(columns: Mapping[str, str]) -> dict[str, str]:
    """158 features of one day's bar and of windows of 5 to 60 days."""
    found = dict(BAR)
    found |= {f"{name.upper()}0": f"{name} / close" for name in ("open", "high", "low", "vwap")}
    for name, text in ROLLING.items():
        found |= {f"{name}{window}": text.replace("{d}", str(window)) for window in WINDOWS}
    return found


def alpha360(columns: Mapping[str, str]) -> dict[str, str]:
    """Each price of the last 60 days over the last close, and each volume over the last one."""
    found: dict[str, str] = {}
    for name in ("close", "open", "high", "low", "vwap", "volume"):
        over = f"(volume + {SMALL})" if name == "volume" else "close"
        for day in range(DAYS - 1, -1, -1):
            found[f"{name.upper()}{day}"] = f"Ref({name}, {day}) / {over}" if day else f"{name} / {over}"
    return found
