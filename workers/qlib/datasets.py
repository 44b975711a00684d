"""Qlib's datasets as rollq's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.config.settings import current_settings
from rollq.tasks.definition import END_TIME, FITTED, HANDLER, SEGMENTS, SEGMENTS_KEY, TRAIN, kwargs_of
from rollq.tasks.errors import ComponentError, DataError, SegmentError
from rollq.tasks.identity import canonical
from rollq.workers.qlib import natives
from rollq.workers.qlib.classes import check_names
from rollq.workers.qlib.data.content import calendar_of
from rollq.workers.qlib.data.handlers import Source, check_handler, fitted_states
from rollq.workers.qlib.data.provider import KEY, REGION, URI, check_init
from rollq.workers.qlib.data.states import State
from rollq.workers.qlib.quiet import quietly
from rollq.workers.qlib.signatures import parameters_of, wrapped

OWN = (KEY, FITTED, "cache_dir")  # keywords that are rollq's
STEP_LEN = "step_len"
NAMES = ["datetime", "instrument"]


class QlibDataset(Dataset):
    """A ``DatasetH`` of Qlib, or one of its kind.

    Args:
        handler, segments: as in Qlib.
        qlib_init: where the data are: ``{provider_uri, region}``; None: as the settings say.
        fitted: what the handler's processors have learned, as ``to_config`` gives it; None: they learn when needed.
        cache_dir: for what is computed once per machine; by default in the state folder.
        more: the other keywords of Qlib's class.
    """

    wraps: ClassVar[Callable[..., natives.Dataset]]

    def __init__(
        self,
        handler: object,
        segments: Mapping[str, Sequence[object]],
        qlib_init: Mapping[str, object] | None = None,
        fitted: Sequence[State] | None = None,
        cache_dir: str | None = None,
        **more: object,
    ) -> None:
        """Nothing is read here: a dataset is made to check a template, where the data may not be there yet."""
        where = qlib_init or usual_folder()
        if where is None:
            fix = "Add qlib_init: {provider_uri: FOLDER}, or set ROLLQ_QLIB_PROVIDER_URI."
            raise ComponentError("it does not say where the data are.", fix, KEY)
        if not isinstance(segments, Mapping):
            raise ComponentError("segments are a mapping.", "Write train: [start, end] and so on.", SEGMENTS_KEY)
        check_names(more, "dataset.kwargs")
        self._handler, self._more = check_handler(handler), more
        # Where the data are is no part of a task that does not say it.
        self._written = {} if qlib_init is None else {KEY: dict(qlib_init)}
        self._init = check_init(where)
        self._cache_dir = cache_dir
        self._fitted = fitted
        self.segments = dict(segments)
        folder = Path(cache_dir) if cache_dir else current_settings().state_dir / "cache"
        self._source = Source(self._init, self._handler, folder)

    @cached_property
    def native(self) -> natives.Dataset:
        """Qlib's own dataset, with its data."""
        with quietly():
            handler = self._source.handler(self._end(), self._fitted)
            segments = {name: tuple(bounds) for name, bounds in self.segments.items()}
            return self.wraps(handler=handler, segments=segments, **self._more)

    def make_ready(self) -> None:
        """Let this process's Qlib read the data folder of this dataset; another one may have been read since.

        Raises:
            DataError: it is not there, or holds no daily data.
        """
        _ = self._source.folder

    @cached_property
    def sessions(self) -> pd.DatetimeIndex:
        """The sessions of Qlib's calendar, up to the last one that has data of these instruments."""
        days = sorted(self._source.contents)
        known = [day for day in calendar_of(self._source.folder) if day <= days[-1]]
        return pd.DatetimeIndex(known).as_unit("ns")

    @property
    def label_lookahead(self) -> int:
        """Sessions that the label's expression looks ahead; 0 where the loader has no expressions."""
        return self._source.loaded.lookahead or 0

    @property
    def feature_lookback(self) -> int:
        """Sessions that the expressions look back, and those of a time series before."""
        step = self._more.get(STEP_LEN, getattr(self.wraps, "DEFAULT_STEP_LEN", 0))
        return self._source.lookback + (step if isinstance(step, int) else 0)

    def prepare(self, segment: str, columns: str = "feature") -> pd.DataFrame:
        """Rows of a segment, indexed (datetime, instrument).

        Args:
            segment, columns: names; ``feature`` as for inference, ``label`` as for learning, or ``raw`` (as it is).

        Raises:
            SegmentError: there is no such segment.
            DataError: it has no rows.
        """
        if segment not in self.segments:
            raise SegmentError(f"There is no segment {segment!r}.", f"There are {', '.join(self.segments)}.")
        features = self._frame(segment, "feature", "infer")
        if features.empty:
            start, end = self.segments[segment]
            raise DataError(f"The segment {segment} ({start} to {end}) has no rows.", "Look at the data of these days.")
        if columns == "feature":
            return features
        if columns not in ("label", "raw"):
            raise DataError(f"There are no columns {columns!r}.", "Use feature, label or raw.")
        label = self._frame(segment, "label", "learn" if columns == "label" else "raw").iloc[:, 0]
        # Learning leaves rows out; they have no label.
        return label.rename("label").reindex(features.index).to_frame()

    def config(self, segments: Mapping[str, Sequence[object]]) -> Self:
        """A copy with other segments; what was fitted stays when the train segment does, or when there is none."""
        stays = TRAIN not in segments or canonical(segments[TRAIN]) == canonical(self.segments.get(TRAIN))
        fitted = self._states() if stays else None
        return type(self)(self._handler, segments, self._init, fitted=fitted, cache_dir=self._cache_dir, **self._more)

    def to_config(self) -> dict[str, object]:
        """The kwargs that make this dataset again, with what its processors learned; without the cache folder."""
        kwargs = {HANDLER: self._handler, SEGMENTS: self.segments, **self._written, **self._more}
        config: dict[str, object] = canonical({**kwargs, FITTED: self._states()})
        return config

    def check(self) -> None:
        """Look at the data folder before anything is enqueued.

        Raises:
            DataError: it is missing, is not in Qlib's form, or holds nothing of these instruments.
            SegmentError: a segment leaves the calendar.
        """
        days = self.sessions
        for name, bounds in self.segments.items():
            start = pd.Timestamp(str(bounds[0]))
            if not days[0] <= start <= days[-1] and not (start < days[0] <= pd.Timestamp(str(bounds[1] or days[-1]))):
                raise SegmentError(
                    f"{SEGMENTS_KEY}.{name}: {start:%Y-%m-%d} is outside the data, which are from "
                    f"{days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}.",
                    "Use dates within them.",
                )

    def fingerprint(self) -> dict[str, str]:
        """A hash of all that the folder holds of these instruments."""
        text = "\n".join(f"{day} {found}" for day, found in sorted(self._source.contents.items()))
        return {"sha256": hashlib.sha256(text.encode()).hexdigest()}

    def session_hashes(self) -> Mapping[str, str] | None:
        """A hash of what the folder holds on each session; None where not all that is read is known."""
        return None if self._source.loaded.groups is None else self._source.contents

    def _frame(self, segment: str, columns: str, data: str) -> pd.DataFrame:
        """A frame of Qlib's, also where its dataset gives samples of time series."""
        native = self.native
        with quietly():
            from qlib.data.dataset import DatasetH
            from qlib.utils import class_casting

            with class_casting(native, DatasetH):
                try:
                    frame = native.prepare(segment, col_set=columns, data_key=data)
                except AttributeError:  # the handler has dropped the raw data
                    frame = native.prepare(segment, col_set=columns, data_key="infer")
        frame = frame if list(frame.index.names) == NAMES else frame.swaplevel().sort_index()
        return frame if frame.index.is_monotonic_increasing else frame.sort_index()

    def _states(self) -> Sequence[State]:
        if self._fitted is None:
            self._fitted = fitted_states(self.native.handler)
        return self._fitted

    def _end(self) -> object:
        """How far the handler loads: as it says, or as far as a segment reaches."""
        written = kwargs_of(self._handler).get(END_TIME)
        ends = [bounds[1] for bounds in self.segments.values()]
        if written is None or any(end is None for end in ends):
            return None
        return max(str(one) for one in (written, *ends))


def usual_folder() -> dict[str, object] | None:
    """The folder of the settings; None if there is none."""
    settings = current_settings()
    folder = settings.qlib_provider_uri
    return {URI: folder, REGION: settings.qlib_region} if folder else None


def dataset_of(cls: type[object]) -> type[QlibDataset]:
    """The class of rollq for one of Qlib's datasets."""
    return wrapped(QlibDataset, cls, parameters_of(cls, OWN))
