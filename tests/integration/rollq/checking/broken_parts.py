"""Datasets, models and records with one fault each, made of those of ``examples/own_classes``, which have none."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from rollq import Record
from rollq.tasks.components.app_dir import add_app_dir

FOLDER = Path(__file__).parents[4] / "examples" / "own_classes"
add_app_dir(FOLDER)

from own_dataset import Closes  # noqa: E402
from own_model import Line  # noqa: E402

OWN = ("own_dataset:Closes", "own_model:Line", "own_record:HitRate")
_calls = itertools.count()


class Twice(Closes):
    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        return pd.concat([rows, rows.iloc[:3]]).sort_index()


class Unsorted(Closes):
    def prepare(self, segment, columns="feature"):
        return super().prepare(segment, columns).iloc[::-1]


class Unnamed(Closes):
    def prepare(self, segment, columns="feature"):
        return super().prepare(segment, columns).rename_axis(["day", "name"])


class OtherRows(Closes):
    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        return rows if columns == "feature" else rows.iloc[1:]


class BeyondSegment(Closes):
    def prepare(self, segment, columns="feature"):
        made = Closes(self.path, self._longer(), self.window, self.horizon)
        return made.prepare(segment, columns)

    def _longer(self):
        return {name: [start, "2019-12-31"] for name, (start, _) in self.segments.items()}


class OtherCalendar(Closes):
    @property
    def sessions(self):
        days = super().sessions
        return days[days != pd.Timestamp("2019-02-05")]


class HoursAsSessions(Closes):
    @property
    def sessions(self):
        return super().sessions + pd.Timedelta(hours=16)


class Forgetful(Closes):
    def to_config(self):
        return {**super().to_config(), "window": 21}

    def config(self, segments):
        return Closes(self.path, segments, self.window, self.horizon)


class Infinite(Closes):
    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        return rows.assign(momentum=np.inf) if columns == "feature" else rows


class Texts(Closes):
    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        return rows.assign(sector="bank") if columns == "feature" else rows


class Moody(Closes):
    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        return rows + next(_calls) if columns == "feature" else rows


class ByWindow(Closes):
    """Its features are scaled by the days that are asked for."""

    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        return rows / rows.std() if columns == "feature" else rows


class Clairvoyant(Closes):
    """A feature is the price of the next session."""

    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        if columns != "feature":
            return rows
        later = self._closes().shift(-1).stack(future_stack=True)
        return rows.assign(later=later.reindex(rows.index))


class Numbers(Closes):
    """Instruments are numbers."""

    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        days, names = (rows.index.get_level_values(level) for level in rows.index.names)
        codes = names.astype("category").codes
        return rows.set_index(pd.MultiIndex.from_arrays([days, codes], names=rows.index.names))


class NoLabel(Closes):
    def prepare(self, segment, columns="feature"):
        rows = super().prepare(segment, columns)
        return rows if columns == "feature" else rows.rename(columns={"label": "return"})


class Crashes(Line):
    def fit(self, dataset, *, checkpoint=None):
        return dataset.prepare("train")["no such feature"]


class NoCheckpoint(Line):
    def fit(self, dataset):
        super().fit(dataset)


class Leaves(Line):
    def fit(self, dataset, *, checkpoint=None):
        raise SystemExit(3)


class Array(Line):
    def predict(self, dataset, segment="test"):
        return super().predict(dataset, segment).to_numpy()


class Constant(Line):
    def predict(self, dataset, segment="test"):
        return super().predict(dataset, segment) * 0.0


class Holes(Line):
    def predict(self, dataset, segment="test"):
        return super().predict(dataset, segment).iloc[5:]


class NaNs(Line):
    def predict(self, dataset, segment="test"):
        scores = super().predict(dataset, segment)
        return scores.where(np.arange(len(scores)) % 7 > 0)


class OtherSegment(Line):
    def predict(self, dataset, segment="test"):
        return super().predict(dataset, "train")


class Rounded(Line):
    """What it saves is not exact."""

    @classmethod
    def load(cls, folder):
        made = super().load(folder)
        made.weights = [round(weight, 5) for weight in made.weights]
        return made


class SavesNothing(Line):
    def save(self, folder):
        """It forgets to."""


class Unseeded(Line):
    def fit(self, dataset, *, checkpoint=None):
        super().fit(dataset)
        self.weights = [weight + next(_calls) for weight in self.weights]


class RanksOfWindow(Line):
    """A score is a rank among all days that are asked for."""

    def predict(self, dataset, segment="test"):
        return super().predict(dataset, segment).rank()


class FailingRecord(Record):
    def generate(self):
        return {"ratio": 1 / len(self.load("pred.parquet").columns[1:])}


class NoMetrics(Record):
    def generate(self):
        return [1.0, 2.0]


class Unreadable(Record):
    def generate(self):
        self.recorder.log_metrics({"good": 1.0})
        return {"good": "very"}


BROKEN = tuple(
    f"{__name__}:{name}" for name, one in list(vars().items()) if isinstance(one, type) and one.__module__ == __name__
)
