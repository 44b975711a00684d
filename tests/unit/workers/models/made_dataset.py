"""A dataset of made-up rows, with labels of every kind, weights and categories; and what is asked of each model."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model

DAYS, NAMES = 60, 12
SEGMENTS = {
    "train": ["2024-01-01", "2024-02-14"],
    "valid": ["2024-02-15", "2024-02-24"],
    "test": ["2024-02-25", "2024-02-29"],
}
LABELS = {
    "value": lambda raw: raw,
    "count": lambda raw: np.floor(np.exp(raw / 2)).clip(0),
    "positive": lambda raw: np.exp(raw / 2),
    "binary": lambda raw: (raw > 0.5).astype(float),
    "share": lambda raw: 1 / (1 + np.exp(-raw)),
    "class": lambda raw: np.digitize(raw, [-0.5, 1.5]) * 2.0 - 1,  # -1, 1, 3
    "grade": lambda raw: np.digitize(raw, [-1.0, 0.0, 1.0]).astype(float),
}


def rows(seed: int = 1) -> pd.DataFrame:
    """Features ``a`` to ``c`` (c has gaps), codes ``kind`` and a ``raw`` label that all four of them explain."""
    index = pd.MultiIndex.from_product(
        [pd.date_range("2024-01-01", periods=DAYS), [f"S{number:02d}" for number in range(NAMES)]],
        names=["datetime", "instrument"],
    )
    random = np.random.default_rng(seed)
    made = pd.DataFrame(random.normal(size=(len(index), 3)), index=index, columns=["a", "b", "c"])
    made["kind"] = random.integers(0, 9, len(index)).astype(float)
    effect = np.array([0, 2, -1, 0, 1, -2, 0, 1, 2.0])[made["kind"].to_numpy(int)]
    made["raw"] = made["a"] + 0.5 * made["b"] * made["c"] + effect + random.normal(0, 0.3, len(index))
    made.loc[random.random(len(index)) < 0.05, "c"] = np.nan
    return made


class MadeDataset(Dataset):
    """Args: ``label`` of ``LABELS``; ``categorical`` and ``weights`` are what a dataset may have beside it."""

    def __init__(
        self,
        label: str = "value",
        categorical: Sequence[str] = ("kind",),
        weights: pd.Series | None = None,
        frame: pd.DataFrame | None = None,
        segments: Mapping[str, Sequence[object]] = SEGMENTS,
        features: Sequence[str] = ("a", "b", "c", "kind"),
    ) -> None:
        self.arguments = {"label": label, "categorical": categorical, "weights": weights, "frame": frame}
        self.frame = rows() if frame is None else frame
        self.segments, self.feature_names = dict(segments), list(features)
        self._label, self._categorical, self._weights = label, list(categorical), weights

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        start, end = self.segments[segment]
        part = self.frame.loc[pd.Timestamp(str(start)) : pd.Timestamp(str(end))]  # type: ignore[misc]
        if columns == "feature":
            return part[self.feature_names]
        if columns == "weight" and self._weights is not None:
            return self._weights.reindex(part.index).to_frame("weight")
        return pd.DataFrame({"label": LABELS[self._label](part["raw"].to_numpy())}, index=part.index)

    def config(self, segments: Mapping[str, Sequence[object]]) -> Self:
        return type(self)(**self.arguments, segments=segments, features=self.feature_names)  # type: ignore[arg-type]

    def to_config(self) -> dict[str, object]:
        return {}

    def check(self) -> None: ...

    def fingerprint(self) -> dict[str, str]:
        return {}

    @property
    def categorical(self) -> Sequence[str]:
        return self._categorical

    @property
    def weighted(self) -> bool:
        return self._weights is not None

    @property
    def sessions(self) -> pd.DatetimeIndex:
        return pd.date_range("2024-01-01", periods=DAYS)

    @property
    def label_lookahead(self) -> int:
        return 0


def fitted(model: Model, dataset: Dataset) -> Model:
    model.fit(dataset)
    return model


def saved(model: Model, folder: Path) -> dict[str, bytes]:
    """The files of a model, by name."""
    folder.mkdir(parents=True)
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def said(model: Model, dataset: Dataset) -> str:
    """A hash of everything that a model says of test."""
    outputs = model.predict_outputs(dataset)
    values = [model.predict(dataset).to_numpy().tobytes(), b"" if outputs is None else outputs.to_numpy().tobytes()]
    return hashlib.sha256(b"".join(values)).hexdigest()


def sees_after(make: Callable[[], Model], folder: Path, label: str = "value", end: str = "2024-02-14") -> bool:
    """Whether a model is another one where every row after 2024-02-14 is another.

    Args:
        end: of train; one that lies later is the control that must be caught.
    """
    frame = rows()
    other = frame.copy()
    late = other.index.get_level_values("datetime") > "2024-02-14"
    other.loc[late] = rows(seed=9)[late] * 3
    segments = {"train": ["2024-01-01", end]}
    one, two = (fitted(make(), MadeDataset(label, frame=found, segments=segments)) for found in (frame, other))
    return saved(one, folder / label / end / "one") != saved(two, folder / label / end / "two")


SCRIPT = """
import sys
from pathlib import Path
from rollq.tasks.components.registry import resolve
from tests.unit.workers.models.made_dataset import MadeDataset, said
for path, name, label in zip(*[iter(sys.argv[1:])] * 3):
    print(said(resolve({"class": name}, "model").load(Path(path)), MadeDataset(label)))
"""


def said_elsewhere(models: Sequence[tuple[Path, str, str]]) -> list[str]:
    """What saved models say in another process: (folder, class, label) of each."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *(str(part) for one in models for part in one)],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()
