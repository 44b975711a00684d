"""What the records of a template say of any predictions: so that two variants are compared by what is measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.record import Record
from rollq.tasks.components.registry import build
from rollq.tasks.definition import Component, class_of
from rollq.tasks.errors import RollqError
from rollq.tasks.failures import Kind, described, kind_of
from rollq.tasks.predictions.directions import is_of_group
from rollq.tasks.predictions.memory_run import MemoryRun
from rollq.tasks.predictions.pooling import Pooled, as_pooled
from rollq.tasks.predictions.session_days import session_days
from rollq.tasks.predictions.window_metrics import WindowMetrics

log = logging.getLogger(__name__)

WRITES_PREDICTIONS = "SignalRecord"  # it needs the model; what it writes is what is compared
Records = Sequence[tuple[str, Component]]


@dataclass(frozen=True)
class Measured:
    """What was measured of one side.

    Args:
        whole: the metrics over all rows.
        by_session: a row for each session (naive dates), a column for each metric; the mean of a session's times.
        left_out: why a record measured nothing, by its class.
    """

    whole: WindowMetrics = field(default_factory=WindowMetrics)
    by_session: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measures:
    """The records of a template, run on predictions in memory.

    Args:
        records: with their places, as ``records_of`` gives them.
        dataset: makes the dataset whose test segment has the rows that are compared.
        components: further registered classes (the setting ``components``).
    """

    records: Records
    dataset: Callable[[], Dataset]
    components: tuple[str, ...] = ()

    def __call__(self, pred: pd.Series, label: pd.Series, outputs: pd.DataFrame | None = None) -> Measured:
        """Run each record on the same rows; one that cannot is left out, and it is said why.

        Args:
            pred, label: by (datetime, instrument), with the same rows.
            outputs: what the models say beside the score, on these rows; None: it is not known.
        """
        rows = {"pred.parquet": pred.to_frame("score"), "label.parquet": label.to_frame("label")}
        rows |= {} if outputs is None else {"outputs.parquet": outputs}
        whole, tables, left_out = WindowMetrics(), [], {}
        for place, config in self.records:
            name = str(class_of(config))
            if name == WRITES_PREDICTIONS:
                continue
            try:
                found, by_session = self._run(place, config, rows)
            except Exception as error:
                # A record of the user's own may do anything; a server that is away is no finding about a record.
                if isinstance(error, RollqError) and kind_of(error) is not Kind.OWN:
                    raise
                log.info("%s measures nothing here: %s", name, described(error))
                left_out[name] = described(error)
                continue
            whole = whole.and_those_of(found)
            tables.append(by_session)
        joined = pd.concat(tables, axis=1) if tables else pd.DataFrame()
        # Where two records have one name for a metric, the later one counts, as in a window.
        return Measured(whole, joined.loc[:, ~joined.columns.duplicated(keep="last")], left_out)

    def _run(
        self, place: str, config: Component, rows: Mapping[str, pd.DataFrame]
    ) -> tuple[WindowMetrics, pd.DataFrame]:
        """One record on all rows; and on one session after the other, if it does not measure by time itself."""
        record, found = self._generate(place, config, rows)
        # One of the user's own needs a `generate` and nothing else.
        whole = WindowMetrics(found, dict(getattr(record, "better", {})))
        by_time: pd.DataFrame | None = getattr(record, "measured", None)
        if by_time is not None:
            return whole, by_time.groupby(session_days(by_time)).mean()
        by_session: dict[pd.Timestamp, dict[str, float]] = {}
        days = session_days(rows["pred.parquet"])
        for day in days.unique():
            own = {name: frame[days == day] for name, frame in rows.items()}
            values = self._generate(place, config, own)[1]
            by_session[day] = {name: float(value) for name, value in values.items() if not is_of_group(name)}
        return whole, pd.DataFrame.from_dict(by_session, orient="index").sort_index()

    def _generate(
        self, place: str, config: Component, rows: Mapping[str, pd.DataFrame]
    ) -> tuple[Record, dict[str, Pooled]]:
        run = MemoryRun(**rows)
        record: Record = build(config, place, self.components, recorder=run, model=None, dataset=self.dataset())
        metrics, how = record.generate() or {}, getattr(record, "pooling", {})
        return record, as_pooled(metrics, how, lambda: len(rows["pred.parquet"]))
