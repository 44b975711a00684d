"""Looks at a dataset: its calendar, its rows, and whether it is made again as it was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rollq.checking.frames import check_numbers, checked_frame, difference
from rollq.checking.inspection import LookAt, Wrong
from rollq.tasks.components.dataset import LABEL_KINDS, Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.definition import DATASET, TEST, TRAIN, Component, with_kwargs
from rollq.tasks.identity import canonical
from rollq.tasks.ingredients.seen import sessions_of
from rollq.tasks.predictions.session_days import sessions_in

SAMPLE = 50_000  # rows that are looked at
SAME, SAME_RETURN = 0.95, 0.5  # correlations of ranks; returns are hardly ever known so well
FEATURE, LABEL, RAW, WEIGHT = "feature", "label", "raw", "weight"


def calendar(dataset: Dataset) -> str:
    """Its sessions, and what else windows are cut by."""
    days = dataset.sessions
    _check_kind(days)
    if days.tz is not None or not (days == days.normalize()).all():
        raise Wrong("sessions are times, not days.", "Return naive dates: rollq.session_days(rows).unique().")
    if not days.is_unique or not days.is_monotonic_increasing:
        raise Wrong("sessions are not sorted, or one of them is there twice.", "Return each day once, in order.")
    ahead, back = dataset.label_lookahead, dataset.feature_lookback
    counts: dict[str, object] = {"label_lookahead": ahead, "feature_lookback": back}
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise Wrong(f"{name} is {value!r}.", "Return a whole number of sessions, 0 or more.")
    if dataset.label_kind not in LABEL_KINDS:
        raise Wrong(f"label_kind is {dataset.label_kind!r}.", f"Return one of {', '.join(LABEL_KINDS)}.")
    _check_hashes(dataset)
    span = f"{len(days)} sessions, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}"
    return f"{span}; the label looks {ahead} sessions ahead"


def rows(dataset: Dataset) -> str:
    """The rows of each segment: features and labels of the same ones, inside the segment, on sessions."""
    known, shown = set(sessions_of(dataset)), []
    for segment, bounds in dataset.segments.items():
        feature = _prepared(dataset, segment, FEATURE)
        if not len(feature) or not len(feature.columns):
            raise Wrong(f"prepare({segment!r}) has no rows, or no columns.", "Raise DataError where there are none.")
        check_numbers(feature, f"prepare({segment!r}, 'feature')")
        for columns in (LABEL, RAW, *([WEIGHT] if dataset.weighted else [])):
            _check_beside(dataset, segment, columns, feature)
        _check_days(feature, segment, bounds, known)
        if segment == TRAIN:
            _check_learnable(dataset, feature)
        shown.append(f"{segment} {len(feature)}")
    return f"rows: {', '.join(shown)}; {feature.shape[1]} features"


def label_in_features(dataset: Dataset) -> str:
    """Whether a feature says the label in other words: by the correlation of their ranks in train.

    Raises:
        LookAt: one does.
    """
    feature = dataset.prepare(TRAIN, FEATURE)
    # Both as they are, or both ranked at each time: of one that is and one that is not the ranks differ.
    labels = [dataset.prepare(TRAIN, columns)[LABEL] for columns in (RAW, LABEL)]
    known = np.flatnonzero(labels[0].notna())
    chosen = known[:: max(1, len(known) // SAMPLE)]
    rows = feature.iloc[chosen].drop(columns=list(dataset.categorical)).rank()
    found = [_correlations(rows, label.iloc[chosen].rank()) for label in labels]
    alike = pd.concat(found, axis=1).max(axis=1).sort_values(ascending=False)
    odd = alike[alike > (SAME_RETURN if dataset.label_kind == "return" else SAME)]
    if len(odd):
        said = ", ".join(f"{name!r} ({value:.3f})" for name, value in odd.head(3).items())
        fix = (
            "If it is a return that comes later, leave it out; if the label hardly changes, compare with a naive model."
        )
        raise LookAt(f"features that say the label in other words (correlation of ranks in train): {said}.", fix)
    name, value = (alike.index[0], alike.iloc[0]) if alike.notna().any() else ("", 0.0)
    return f"no feature says the label in other words: at most {value:.2f} ({name})"


def made_again(dataset: Dataset, config: Component, components: tuple[str, ...]) -> str:
    """Whether ``config`` and ``to_config`` make a dataset that has the same features."""
    wanted = dataset.prepare(TEST, FEATURE)
    again = dataset.prepare(TEST, FEATURE)
    if found := difference(wanted, again):
        raise Wrong(f"prepare gives other features when it is asked twice: {found}.", "Let it depend on its data only.")
    alone = dataset.config(segments={TEST: dataset.segments[TEST]})
    if found := difference(wanted, alone.prepare(TEST, FEATURE)):
        fix = "config must keep what was fitted on train: days that come later are predicted by such a copy."
        raise Wrong(f"config(segments) with test alone gives other features: {found}.", fix)
    made: Dataset = build(with_kwargs(config, canonical(dataset.to_config(), "to_config()")), DATASET, components)
    if found := difference(wanted, made.prepare(TEST, FEATURE)):
        fix = "Let to_config return all keywords, and what was fitted on train, as a keyword that __init__ takes."
        raise Wrong(f"the dataset that to_config() describes gives other features: {found}.", fix)
    if canonical(dict(made.fingerprint())) != canonical(dict(dataset.fingerprint())):
        raise Wrong("fingerprint() is another one for the same data.", "Let it be a hash of the data, such as SHA-256.")
    return "config() and to_config() make the same features again"


def _correlations(rows: pd.DataFrame, label: pd.Series) -> pd.Series:
    """How much each column and the label are alike; what is the same everywhere is like nothing."""
    varied = rows.loc[:, rows.nunique() > 1]
    return varied.corrwith(label).abs() if label.nunique() > 1 else pd.Series(dtype=float)


def _check_kind(days: object) -> None:
    if not isinstance(days, pd.DatetimeIndex) or not len(days):
        raise Wrong(f"sessions is a {type(days).__name__}, or empty.", "Return a DatetimeIndex of its days.")


def _prepared(dataset: Dataset, segment: str, columns: str) -> pd.DataFrame:
    return checked_frame(dataset.prepare(segment, columns), f"prepare({segment!r}, {columns!r})")


def _check_beside(dataset: Dataset, segment: str, columns: str, feature: pd.DataFrame) -> None:
    """Labels and weights of a segment: numbers, on the rows that the features have."""
    what = f"prepare({segment!r}, {columns!r})"
    frame = _prepared(dataset, segment, columns)
    check_numbers(frame, what)
    if columns != WEIGHT and LABEL not in frame.columns:
        raise Wrong(f"{what} has no column 'label'.", "Name the column of the label so.")
    if not frame.index.equals(feature.index):
        strange = len(frame.index.symmetric_difference(feature.index))
        fix = "Give a row to each feature row; where the label is not known it is NaN."
        raise Wrong(f"{what} has other rows than the features: {strange} are in one of them alone.", fix)
    if columns == WEIGHT and (frame.shape[1] != 1 or (frame.iloc[:, 0] < 0).any()):
        raise Wrong(f"{what} has {frame.shape[1]} columns, or a negative weight.", "Return one column, 0 or more.")


def _check_days(feature: pd.DataFrame, segment: str, bounds: Sequence[object], known: set[str]) -> None:
    days = sessions_in(feature)
    start, end = (None if bound is None else str(bound)[:10] for bound in bounds)
    outside = [day for day in days if (start and day < start) or (end and day > end)]
    if outside:
        fix = "prepare gives the rows from the first to the last day of the segment, both inclusive, and no others."
        raise Wrong(f"prepare({segment!r}) has rows on {outside[0]}, outside of {start} to {end}.", fix)
    if strange := [day for day in days if day not in known]:
        fix = "sessions names every day that has rows, and windows are cut by it."
        raise Wrong(f"prepare({segment!r}) has rows on {strange[0]}, which is none of its sessions.", fix)


def _check_learnable(dataset: Dataset, feature: pd.DataFrame) -> None:
    label = dataset.prepare(TRAIN, LABEL)[LABEL]
    if label.isna().all():
        raise Wrong("every label of train is NaN.", "Look at the label, and at how far it looks ahead.")
    if label.nunique() == 1:
        raise Wrong(f"every label of train is {label.dropna().iloc[0]}.", "Look at the label: nothing can be learned.")
    if len(empty := feature.columns[feature.isna().all()]):
        raise Wrong(f"the feature {empty[0]!r} is NaN in the whole of train.", "Leave it out, or start train later.")


def _check_hashes(dataset: Dataset) -> None:
    hashes = dataset.session_hashes()
    if hashes is None:
        return
    known = set(sessions_of(dataset))
    if strange := [day for day in hashes if day not in known]:
        fix = "Return {YYYY-MM-DD: hash}: rollq.frame_hashes(frame)."
        raise Wrong(f"session_hashes() has {strange[0]!r}, which is none of its sessions.", fix)
