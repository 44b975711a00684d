"""The records of a template that names none: what fits the kind of its label."""

from __future__ import annotations

from collections.abc import Mapping

from rollq.tasks.definition import Component, component
from rollq.tasks.errors import ComponentError

SIGNAL, ANALYSIS, RANKING = component("SignalRecord"), component("SigAnaRecord"), component("RankingRecord")
# Intervals are measured where the model gives quantiles; one that gives none is measured by its errors alone.
ERRORS = (component("ForecastRecord"), component("IntervalRecord", {"optional": True}))
CLASSES = component("ClassificationRecord")
RECORDS: Mapping[str, tuple[Component, ...]] = {
    "return": (SIGNAL, ANALYSIS),
    "value": (SIGNAL, *ERRORS),
    "count": (SIGNAL, *ERRORS),
    "binary": (SIGNAL, CLASSES),
    "class": (SIGNAL, CLASSES),
    "relevance": (SIGNAL, RANKING, ANALYSIS),
}


def default_records(label_kind: str) -> list[Component]:
    """The records of a template without ``record``.

    Args:
        label_kind: ``Dataset.label_kind``: ``return``, ``value``, ``count``, ``binary``, ``class`` or ``relevance``.

    Returns:
        SignalRecord first; the others read what it wrote.

    Raises:
        ComponentError: there is no such kind.
    """
    if label_kind not in RECORDS:
        raise ComponentError(
            f"label_kind {label_kind!r} is unknown.", f"It is one of {', '.join(RECORDS)}; or name records.", "record"
        )
    return [{**record} for record in RECORDS[label_kind]]
