"""Increments: predictions of further days, kept beside the ones that a model was trained with.

An increment lies in the model's own run, in a folder of its own, and is not in the run's manifest: several tasks may
write into one run at a time, and a manifest has one writer. Its checksums are in the committed result of the task that
wrote it, which is therefore what a reader goes by: a folder that no result names does not count.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from rollq.tasks.errors import ArtifactCorrupted, ArtifactMissing, BadInput
from rollq.tasks.predictions.session_days import on_sessions
from rollq.tasks.tracking.artifacts.codecs import codec_named, codec_of
from rollq.tasks.tracking.artifacts.manifest import Entry, check, safe_name
from rollq.tasks.tracking.artifacts.storage import Storage
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder

FOLDER = "predictions"
PRED, LABEL, DAYS = "pred.parquet", "label.parquet", "days.json"
INDEX = ["datetime", "instrument"]
FIX = "Predict these days again."


@dataclass(frozen=True)
class Increment:
    """Some days of a model.

    ``pred`` has the column ``score``, ``label`` the column ``label`` (as it is, NaN where it is not known yet); both
    are indexed (datetime, instrument), with the same rows. ``days`` are the ``day_hashes`` of what was predicted from.
    """

    pred: pd.DataFrame
    label: pd.DataFrame
    days: dict[str, str]

    @classmethod
    def empty(cls) -> Increment:
        """Of no day."""
        none = pd.MultiIndex.from_arrays([pd.DatetimeIndex([]), pd.Index([], dtype="str")], names=INDEX)
        return cls(pd.DataFrame({"score": []}, none, dtype=float), pd.DataFrame({"label": []}, none, dtype=float), {})

    def only(self, days: Collection[str]) -> Increment:
        """The part of it on these days (YYYY-MM-DD)."""
        pred, label = (part[on_sessions(part, days)] for part in (self.pred, self.label))
        return Increment(pred, label, {day: found for day, found in self.days.items() if day in set(days)})


def save_increment(recorder: MLflowRecorder, name: str, increment: Increment) -> dict[str, object]:
    """Write an increment into a run; it is not read before the result that names it is committed.

    Args:
        name: of its folder, another one each time: what was written before is never written over.

    Returns:
        What the result says of it: ``{artifact, sha256: {file: hex}}``.

    Raises:
        Unavailable: it cannot be written.
    """
    values = {PRED: increment.pred, LABEL: increment.label, DAYS: increment.days}
    # A folder and not an entry of the manifest: several tasks write into the run at once.
    folder = safe_name(f"{FOLDER}/{name}")
    files = {file: codec_of(value).encode(value) for file, value in values.items()}
    _storage(recorder).write({f"{folder}/{file}": content for file, content in files.items()})
    return {"artifact": folder, "sha256": {file: Entry.of(content, "").sha256 for file, content in files.items()}}


def load_increment(recorder: MLflowRecorder, result: Mapping[str, object]) -> Increment:
    """The increment that the committed result of a prediction task names, every byte of it checked.

    Args:
        recorder: of the model.
        result: of the task.

    Raises:
        ArtifactMissing: the result names none, or a file of it is gone.
        ArtifactCorrupted: its bytes are not what was committed.
        Unavailable: the store does not answer.
    """
    folder, sums = _named(result)
    files = {name: _read(recorder, f"{folder}/{name}", sums[name]) for name in (PRED, LABEL, DAYS)}
    pred, label = (codec_named("frame").decode(files[name]) for name in (PRED, LABEL))
    return Increment(pred, label, json.loads(files[DAYS]))


def _named(result: Mapping[str, object]) -> tuple[str, Mapping[str, str]]:
    sums = result.get("sha256")
    if not result.get("artifact") or not isinstance(sums, Mapping) or not {PRED, LABEL, DAYS} <= set(sums):
        raise ArtifactMissing("The result names no predictions.", "Give the result of a prediction task that is DONE.")
    try:
        return safe_name(result["artifact"]), sums
    except BadInput as error:
        raise ArtifactCorrupted(f"The result is not what was committed: {error.message}", FIX) from None


def _read(recorder: MLflowRecorder, name: str, sha256: str) -> bytes:
    try:
        content = _storage(recorder).read(name)
    except ArtifactMissing:
        raise ArtifactMissing(f"The artifact {name!r} of run {recorder.id} is gone.", FIX) from None
    try:
        return check(content, Entry(sha256, len(content), ""), name)
    except ArtifactCorrupted as error:
        raise ArtifactCorrupted(error.message, FIX) from None


def _storage(recorder: MLflowRecorder) -> Storage:
    return recorder.storage
