"""The metrics of a window as its task commits them, and those of many windows together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rollq.tasks.predictions.directions import direction_of
from rollq.tasks.predictions.pooling import POOLINGS, Pooled, pool

METRICS, POOLING = "metrics", "pooling"  # keys of a result


@dataclass(frozen=True)
class WindowMetrics:
    """Metrics by name, each with its sums; and of those that their record declares, what is better."""

    values: Mapping[str, Pooled] = field(default_factory=dict)
    better: Mapping[str, str] = field(default_factory=dict)

    def and_those_of(self, other: WindowMetrics) -> WindowMetrics:
        """These, and further ones, which go first where both have one name."""
        return WindowMetrics({**self.values, **other.values}, {**self.better, **other.better})

    def to_result(self) -> dict[str, object]:
        """As they stand in the result of a task: ``metrics`` and ``pooling``; JSON-able."""
        # A list, because names have points, which keys of documents must not have everywhere.
        pooling = [
            {"name": name, "how": value.how, "sums": list(value.sums)}
            | ({"better": better} if (better := self.declared(name)) else {})
            for name, value in self.values.items()
        ]
        return {METRICS: {name: float(value) for name, value in self.values.items()}, POOLING: pooling}

    def declared(self, name: str) -> str:
        """What is better of a metric, if that is not what is known of its name anyway."""
        found = direction_of(name, self.better)
        return found if found != direction_of(name) else ""

    @classmethod
    def of_result(cls, result: Mapping[str, object]) -> WindowMetrics:
        """Those that ``to_result`` wrote; none, where a result has another form."""
        entries = result.get(POOLING)
        found = [
            one
            for one in (entries if isinstance(entries, list) else ())
            if isinstance(one, Mapping) and one.get("how") in POOLINGS
        ]
        values = {str(one["name"]): Pooled(str(one["how"]), list(one["sums"])) for one in found}
        return cls(values, {str(one["name"]): str(one["better"]) for one in found if one.get("better")})


def pooled_windows(windows: Sequence[WindowMetrics]) -> WindowMetrics:
    """The metrics of all rows of some windows: as ``pool``."""
    return WindowMetrics(pool(window.values for window in windows), _last(window.better for window in windows))


def _last(tables: Iterable[Mapping[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for table in tables:
        found |= table
    return found
