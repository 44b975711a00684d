"""A small strategy on real prices: six stocks, three features, models of five rounds; and models that do it wrong.

A session of its routine costs a fraction of a second.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from rollq import Backend, MLflowRecorder, OnlineManager, Record, RollingStrategy
from rollq.scheduler.signals.files import write_signals
from rollq.tasks.definition import Definition
from rollq.tasks.rolling.online_options import OnlineOptions
from rollq.tasks.rolling.template import Template
from rollq.trainers import TrainerR
from rollq.workers.models.ridge import RidgeModel
from tests.conftest import EXAMPLES
from tests.golden_cases import FOLDER

LGB: Definition = {
    "class": "LGBModel",
    "kwargs": {"num_boost_round": 5, "num_leaves": 4, "min_data_in_leaf": 5, "learning_rate": 0.3},
}
RIDGE: Definition = {"class": "RidgeModel", "kwargs": {"alpha": 1.0}}
REGISTERED = ("HoleyModel", "BrokenModel", "CalendarDataset", "KeepsTheOld", "ProfitRecord")
COMPONENTS = tuple(f"tests.online_strategies:{name}" for name in REGISTERED)
STEP = 5
FIRST, LAST = "2018-01-02", "2018-05-31"


@cache
def closes() -> pd.DataFrame:
    """Six stocks of the example over 104 sessions: datetime, instrument, close."""
    prices = pd.read_parquet(EXAMPLES / "prices_small.parquet")
    chosen = sorted(prices["instrument"].unique())[:6]
    kept = prices["instrument"].isin(chosen) & prices["datetime"].between(FIRST, LAST)
    return prices[kept].reset_index(drop=True)


def sessions() -> list[str]:
    """The sessions of ``closes``."""
    return [f"{day:%Y-%m-%d}" for day in sorted(closes()["datetime"].unique())]


DAYS = sessions()
TRAIN, TEST, BEGIN = (DAYS[5], DAYS[40]), DAYS[45], DAYS[52]  # by BEGIN two windows have begun
LIVED = DAYS[52:62]  # ten sessions, on two of which a window begins


def write_prices(path: Path, prices: pd.DataFrame | None = None, until: str | None = None) -> Path:
    """Put prices in the place of a file at once, as a feed does; up to a session, if one is named."""
    found = closes() if prices is None else prices
    kept = found if until is None else found[found["datetime"] <= until]
    kept.to_parquet(path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    return path


def template(
    path: Path,
    name: str = "small",
    model: Definition = LGB,
    rtype: str = "sliding",
    record: Sequence[Definition] = ({"class": "SignalRecord"},),
    **online: Any,
) -> Template:
    """A template of windows of five sessions; ``online`` is the section of this name."""
    options = OnlineOptions.of({"begin": BEGIN, **online})
    dataset = {
        "class": "PanelDataset",
        "kwargs": {
            "path": str(path),
            "features": [{"op": "momentum", "windows": [1, 3]}, {"op": "volatility", "windows": [3]}],
            "label": {"op": "forward_return", "horizon": 1, "start": 1},
            "segments": {"train": list(TRAIN), "test": [TEST, None]},
        },
    }
    definition = {"model": model, "dataset": dataset, "record": list(record)}
    rolling = {"class": "RollingGen", "kwargs": {"step": STEP, "rtype": rtype, "trunc_days": 3}}
    challengers = {one.name: {**definition, **one.parts} for one in options.challengers}
    return Template(name, definition, rolling, {}, options, challengers)


def with_components(backend: Backend) -> Backend:
    """The backend with the models of this module registered."""
    settings = backend.settings.model_copy(update={"components": COMPONENTS})
    return replace(backend, settings=settings)


def manager(backend: Backend, made: Template, trainer: Any = TrainerR, **options: Any) -> OnlineManager:
    """The manager of one template."""
    options = {"name": made.name, **options}
    strategy = RollingStrategy.of_template(made, backend.settings)
    return OnlineManager(strategy, trainer, backend=backend, **options)


def sha256_of(signals: pd.DataFrame | pd.Series, folder: Path) -> str:
    """What published signals come to, byte for byte."""
    return write_signals(pd.DataFrame(signals), folder / "signals.parquet")


class KeepsTheOld(RollingStrategy):
    """Lets the model that served last go on beside the new ones."""

    def prepare_online_models(
        self, trained_models: Sequence[MLflowRecorder], cur_time: pd.Timestamp | None = None
    ) -> Sequence[MLflowRecorder]:
        """The new ones and the last of the old ones."""
        return [*self.tool.online_models()[-1:], *trained_models]


class ProfitRecord(Record):
    """A record of a user's own: what it returns is a number, a number with its weight, and one that adds up."""

    pooling: ClassVar[dict[str, str]] = {"trades": "sum"}
    better: ClassVar[dict[str, str]] = {"profit": "higher", "waste.": "lower"}

    def generate(self) -> dict[str, float | tuple[float, float]]:
        pairs = pd.concat([self.load("pred.parquet"), self.load("label.parquet")], axis=1).dropna()
        found = {"profit": float((pairs["score"] * pairs["label"]).mean()), "trades": float(len(pairs))}
        self.recorder.log_metrics(found)
        return {**found, "waste.": (float(pairs["score"].abs().max()), 2.0)}


class CalendarDataset:
    """Nothing but a calendar of ``tests/golden``.

    Args:
        calendar: its name.
        until: the last session that is known; None: all are.
    """

    label_lookahead = 0

    def __init__(self, calendar: str, segments: dict[str, Any], until: str | None = None) -> None:
        days = pd.DatetimeIndex(json.loads((FOLDER / "calendars.json").read_text())[calendar]["day"])
        self.sessions = days if until is None else days[days <= until]
        self.segments = segments

    def check(self) -> None:
        """There is nothing to look at."""

    def fingerprint(self) -> dict[str, str]:
        """The same data, however much of it is known."""
        return {"sha256": "0"}


class HoleyModel(RidgeModel):
    """Predicts as a RidgeModel does, but leaves holes on the days that the file ``holes.json`` says.

    Args:
        holes: path of ``{day: how}``; how is ``day``, ``instrument`` or ``nan``.
    """

    def __init__(self, holes: str, alpha: float = 1.0) -> None:
        super().__init__(alpha)
        self._holes = holes

    def predict(self, dataset: Any, segment: str = "test") -> pd.Series:
        """Scores, with holes."""
        scores = super().predict(dataset, segment)
        for day, how in json.loads(Path(self._holes).read_text()).items():
            rows = scores.index[scores.index.get_level_values(0) == day]
            if how == "nan":
                scores[rows[:1]] = float("nan")
            else:
                scores = scores.drop(rows if how == "day" else rows[:1])
        return scores

    def save(self, folder: Path) -> None:
        """The model, and where its holes are."""
        super().save(folder)
        (folder / "holes.txt").write_text(self._holes)

    @classmethod
    def load(cls, folder: Path) -> HoleyModel:
        """The model that ``save`` wrote."""
        made = cls((folder / "holes.txt").read_text())
        made.__dict__.update({**RidgeModel.load(folder).__dict__, "_holes": made._holes})
        return made


class BrokenModel(RidgeModel):
    """Cannot be trained while a file exists.

    Args:
        while_there: its path.
    """

    def __init__(self, while_there: str = "", alpha: float = 1.0, fit_intercept: bool = True) -> None:
        super().__init__(alpha, fit_intercept)
        self._file = Path(while_there)

    def fit(self, dataset: Any, **options: Any) -> None:
        """Raise, or learn."""
        if self._file.exists():
            raise ValueError("made to fail")
        super().fit(dataset, **options)
