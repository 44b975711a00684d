"""What an import did, or would do: each experiment, each run with why it is left out, and what serves then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of a run."""

    IMPORTED = "imported"
    WANTED = "would be imported"
    KNOWN = "there already"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class RunLine:
    """A run of the source; ``recorder_id`` is its run here, ``why`` the reason if it is left out."""

    id: str
    name: str
    status: str
    fate: Fate
    why: str = ""
    recorder_id: str = ""
    artifacts: Sequence[str] = ()


@dataclass
class ExperimentLine:
    """An experiment of the source, and the one here. ``why`` says why nothing of it is imported.

    ``version`` is the online set of its models; ``not_online`` says why they do not serve, though they are tagged.
    """

    name: str
    to: str
    why: str = ""
    runs: list[RunLine] = field(default_factory=list)
    models: int = 0
    version: int | None = None
    new_version: bool = False
    not_online: str = ""

    @property
    def whole(self) -> bool:
        """Whether all of it is here."""
        return not self.why and not self.not_online and all(run.fate is not Fate.LEFT_OUT for run in self.runs)


@dataclass
class Report:
    """All of it."""

    source: str
    dry_run: bool
    experiments: list[ExperimentLine] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing was left out."""
        return all(one.whole for one in self.experiments)

    def count(self, fate: Fate) -> int:
        """How many runs."""
        return sum(run.fate is fate for one in self.experiments for run in one.runs)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        counts = {fate.name.lower(): self.count(fate) for fate in Fate}
        return {**asdict(self), "whole": self.whole, "counts": counts}
