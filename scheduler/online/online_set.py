"""An online set: a numbered, immutable version of the models that serve, and how it is read from a document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from rollq.tasks.mongo.records import Reader
from rollq.tasks.rolling.members.role import ALONE, Role
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rounds.purpose import LIVE


@dataclass(frozen=True)
class OnlineModel:
    """A model that serves: its task, its MLflow run, the test segment it was planned for, and which model it is.

    ``identity`` is the same for all windows of one model (``tasks/rolling/model_identity.py``). ``member`` names it
    among the models that serve together; empty: it serves alone. ``role`` says what it has to say among them.
    """

    task_id: str
    recorder_id: str
    test: tuple[str, str | None]
    identity: str = ""
    member: str = ""
    role: Role = ALONE


@dataclass(frozen=True)
class SignalFile:
    """Signals that a round wrote: an artifact of a run, its SHA-256, and what it holds: rows, first and last day."""

    recorder_id: str
    artifact: str
    sha256: str
    rows: int
    start: str
    end: str


@dataclass(frozen=True)
class OnlineSet:
    """One version.

    ``at`` is when it was written (UTC), ``session`` from which session it serves. ``champion`` names the variant that
    ``models`` are of; ``challengers`` are the models of the others, which do not serve. ``signals`` are those of the
    round, where it published its own. ``why``, ``data`` and ``code`` say where it comes from; ``copy_of`` is the
    version that it is a copy of, after a rollback. ``better`` says of metrics of the user's own whether ``higher`` or
    ``lower`` is better. ``version`` is 0 as long as it is not in the ledger.
    """

    strategy: str
    version: int
    pool: str
    round_id: str
    at: datetime
    by: str
    models: tuple[OnlineModel, ...]
    metrics: dict[str, float]
    signals: SignalFile | None = None
    gaps: tuple[str, ...] = ()
    session: str = ""
    why: str = ""
    mode: str = LIVE
    champion: str = BASE
    challengers: dict[str, tuple[OnlineModel, ...]] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    code: dict[str, str] = field(default_factory=dict)
    copy_of: int | None = None
    planned_at: datetime | None = None
    better: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        planned = self.planned_at.isoformat() if self.planned_at else None
        signals = asdict(self.signals) if self.signals else {}
        return {**asdict(self), "signals": signals, "at": self.at.isoformat(), "planned_at": planned}

    def serving(self, session: str) -> list[OnlineModel]:
        """The models of this set that serve on ``session``: as ``newest``."""
        return newest(self.models, session)


def newest(models: Iterable[OnlineModel], session: str) -> list[OnlineModel]:
    """The model that serves on a session: the newest whose test segment has begun; that of each member, where several
    serve together.
    """
    found: dict[str, OnlineModel] = {}
    for model in models:
        # Beyond the end of its segment, too: a model serves until the next one begins.
        begun = model.test[0] <= session
        if begun and (model.member not in found or model.test[0] > found[model.member].test[0]):
            found[model.member] = model
    return list(found.values())


def difference(one: OnlineSet, other: OnlineSet) -> dict[str, dict[str, list[str]]]:
    """What only one of two sets has, by what it is: ``{models: {only_a, only_b}, champion: ..., ...}``."""

    def models(online: OnlineSet) -> list[str]:
        return [f"{one.identity} {_span(one.test)}, run {one.recorder_id}" for one in online.models]

    def code(online: OnlineSet) -> list[str]:
        return [f"{name} {value}" for name, value in sorted(online.code.items())]

    def metrics(online: OnlineSet) -> list[str]:
        return [f"{name} {value:.4f}" for name, value in online.metrics.items()]

    parts: dict[str, tuple[list[str], list[str]]] = {
        "models": (models(one), models(other)),
        "champion": ([one.champion], [other.champion]),
        "challengers": (sorted(one.challengers), sorted(other.challengers)),
        "data": (list(one.data), list(other.data)),
        "code": (code(one), code(other)),
        "metrics": (metrics(one), metrics(other)),
    }
    return {
        name: {"only_a": [item for item in a if item not in b], "only_b": [item for item in b if item not in a]}
        for name, (a, b) in parts.items()
    }


def _span(test: tuple[str, str | None]) -> str:
    return f"{test[0]} to {test[1]}" if test[1] else f"{test[0]} on"


ONLINE_SETS = Reader(
    "online_sets",
    "online set",
    OnlineSet,
    "Put another version online, or restore the document from a backup.",
)
