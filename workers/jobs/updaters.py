"""Updaters: bring the predictions and labels of one recorder up to date by hand, in this process and in place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.config.settings import Settings, current_settings
from rollq.tasks.definition import TEST
from rollq.tasks.errors import ArtifactMissing, BadInput, CalendarError, DataError, SegmentError, StateError
from rollq.tasks.predictions.fitted_dataset import fitted_dataset
from rollq.tasks.predictions.increments import DAYS, LABEL, PRED
from rollq.tasks.predictions.ranges import replace_range
from rollq.tasks.predictions.row_times import are_dates
from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.workers.jobs.prediction import load_model, predict_range


@dataclass(frozen=True)
class Span:
    """Sessions from ``first`` to ``last``, both inclusive, by their position in the calendar of the data."""

    first: int
    last: int
    sessions: pd.DatetimeIndex

    @property
    def start(self) -> str:
        """The first session, YYYY-MM-DD."""
        return f"{self.sessions[self.first]:%Y-%m-%d}"

    @property
    def end(self) -> str:
        """The last session, YYYY-MM-DD."""
        return f"{self.sessions[self.last]:%Y-%m-%d}"


class RecordUpdater(ABC):
    """Replaces the sessions from ``from_date`` to ``to_date`` of an artifact of a trained recorder.

    It is for work by hand, one process at a time. Online models are updated by prediction tasks, which keep what was
    predicted before.

    Args:
        record: the recorder of a model; it may be SCHEDULED still when the updater is made, but not when it updates.
        to_date: the last day to update; None, or a day after it: the last session of the data.
        from_date: the first day; None: as the class says.
        hist_ref: sessions, as the class says.
        settings: for the classes that a template may name; None: those of this process.

    Raises:
        BadInput: ``hist_ref`` is negative.
        CalendarError: a date is none.
        SegmentError: ``from_date`` is after ``to_date``.
    """

    artifact: str  # that is updated
    column: str

    def __init__(
        self,
        record: MLflowRecorder,
        to_date: object = None,
        from_date: object = None,
        hist_ref: int | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Dates and numbers are checked here; the recorder is not asked, so it may still be untrained."""
        if hist_ref is not None and hist_ref < 0:
            raise BadInput(f"hist_ref is {hist_ref!r}.", "Give a number of sessions, at least 0.")
        self.record = record
        self.to_date, self.from_date = day_of(to_date, "to_date"), day_of(from_date, "from_date")
        self.hist_ref = hist_ref
        self._settings = settings
        if self.to_date is not None and self.from_date is not None and self.from_date > self.to_date:
            raise SegmentError(
                f"from_date ({self.from_date:%Y-%m-%d}) is after to_date ({self.to_date:%Y-%m-%d}).", "Swap them."
            )

    def update(self) -> pd.DataFrame:
        """Replace the range; the rows that were written, none if there was nothing to do.

        Raises:
            StateError: the recorder is not trained.
            SegmentError: the range lies before the first session that was predicted.
            ArtifactMissing, ArtifactCorrupted: the recorder does not hold what is needed.
        """
        self._check_trained()
        old = self.record.load_object(self.artifact)
        span = self._span(old)
        if span is None:
            return _frame(old.iloc[:0], self.column)
        new, more = self._renewed(span, _frame(old, self.column))
        joined = replace_range(old, new if isinstance(old, pd.DataFrame) else new[self.column].rename(old.name))
        # The artifact last: who is killed in between finds there that the span is still to be done.
        self.record.save_objects(**{**more, self.artifact: joined})
        return new

    @abstractmethod
    def _renewed(self, span: Span, old: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, object]]:
        """The new rows of a span, and further artifacts to write with them."""

    @abstractmethod
    def _default_first(self, last_known: int, old: pd.DataFrame | pd.Series) -> int:
        """Position of the first session without ``from_date``.

        Args:
            last_known: that of the last session of the artifact.
            old: the artifact.
        """

    @cached_property
    def _components(self) -> tuple[str, ...]:
        return (self._settings or current_settings()).components

    @cached_property
    def _dataset(self) -> Dataset:
        dataset: Dataset = fitted_dataset(self.record, components=self._components)
        return dataset

    def _check_trained(self) -> None:
        status = self.record.status
        if status in (RecorderStatus.SCHEDULED, RecorderStatus.FAILED):
            raise StateError(
                f"The recorder {self.record.id} is not trained yet: it is {status}.",
                "Train its task, then fetch the recorder again.",
            )

    def _span(self, old: pd.DataFrame | pd.Series) -> Span | None:
        """What to update, given the artifact; None if nothing is."""
        known, sessions = session_days(old), session_days(self._dataset.sessions).unique()
        begin = known.min()
        for name, day in (("to_date", self.to_date), ("from_date", self.from_date)):
            if day is not None and day < begin:
                raise SegmentError(
                    f"{name} ({day:%Y-%m-%d}) is before the first session that was predicted ({begin:%Y-%m-%d}).",
                    "The model was trained on earlier days: give a later one.",
                )
        # `last` is one beyond the last session, as Python's slices have it; `Span` is inclusive.
        last = len(sessions) if self.to_date is None else int(sessions.searchsorted(self.to_date, "right"))
        if self.from_date is None:
            first = self._default_first(int(sessions.searchsorted(known.max(), "right")) - 1, old)
            # A look back does not go beyond what was predicted: before it the model was trained.
            first = max(first, int(sessions.searchsorted(begin, "left")))
        else:
            first = int(sessions.searchsorted(self.from_date, "left"))
        return Span(first, last - 1, sessions) if first < last else None


class PredUpdater(RecordUpdater):
    """Updates the predictions, ``pred.parquet``, and the hashes of what they were made from, ``days.json``.

    ``from_date`` None: the session after the last one that was predicted, or that one, if more of its hours have come
    since. ``hist_ref``: how many sessions before
    ``from_date`` the model is given, too, as context, without their predictions being replaced; None: 0.
    """

    artifact, column = PRED, "score"

    def _default_first(self, last_known: int, old: pd.DataFrame | pd.Series) -> int:
        return last_known if self._has_grown(last_known, old) else last_known + 1

    def _has_grown(self, position: int, old: pd.DataFrame | pd.Series) -> bool:
        """Whether a session has rows that were not predicted; where rows have dates, a session is complete."""
        if position < 0 or are_dates(pd.DatetimeIndex(old.index.get_level_values("datetime").unique())):
            return False
        day = f"{session_days(self._dataset.sessions).unique()[position]:%Y-%m-%d}"
        try:
            rows = self._dataset.config(segments={TEST: [day, day]}).prepare(TEST, "raw").index
        except DataError:  # it is gone
            return False
        return not rows.isin(old.index).all()

    def _renewed(self, span: Span, old: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, object]]:
        model = load_model(self.record, self._components)
        made = predict_range(model, self._dataset, span.start, span.end, self.hist_ref or 0)
        # A day of the span that has no row any more loses its hash, too.
        kept = {day: found for day, found in self._days().items() if not span.start <= day <= span.end}
        return made.pred, {DAYS: {**kept, **made.days}}

    def _days(self) -> dict[str, str]:
        try:
            found: dict[str, str] = self.record.load_object(DAYS)
        except ArtifactMissing:  # the run is older than these hashes
            return {}
        return found


class LabelUpdater(RecordUpdater):
    """Updates the labels, ``label.parquet``: what was not known when they were written may be known now.

    ``from_date`` None: as many sessions back from the session after the last one as the label looks ahead, or
    ``hist_ref``, because those labels were not known then. No close after ``to_date`` is used: a label that needs one
    stays as it was, or is NaN if there was none.
    """

    artifact, column = LABEL, "label"

    def _default_first(self, last_known: int, old: pd.DataFrame | pd.Series) -> int:
        back = self._dataset.label_lookahead if self.hist_ref is None else self.hist_ref
        return last_known + 1 - back

    def _renewed(self, span: Span, old: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, object]]:
        later = self._dataset.config(segments={TEST: [span.start, span.end]})
        new = later.prepare(TEST, "raw")[["label"]]
        position = span.sessions.searchsorted(session_days(new))
        # The dataset itself may know later closes; `to_date` says how far one may look.
        known = position + self._dataset.label_lookahead <= span.last
        return new.where(known[:, None], old.reindex(new.index)), {}


def _frame(values: pd.DataFrame | pd.Series, column: str) -> pd.DataFrame:
    frame = values.to_frame() if isinstance(values, pd.Series) else values
    return frame.set_axis([column, *frame.columns[1:]], axis=1)


def day_of(value: object, name: str) -> pd.Timestamp | None:
    """The day of a date that was given as ``name``; None stays None.

    Raises:
        CalendarError: it is no date.
    """
    if value is None:
        return None
    try:
        return pd.Timestamp(pd.Timestamp(value).date())
    except (ValueError, TypeError):
        raise CalendarError(f"{name} is {value!r}, which is no date.", "Write YYYY-MM-DD.") from None
