"""What a round of research, or another gathered one, was found to be: its signals, its metrics and its runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import SignalFile
from rollq.tasks.backend import Backend
from rollq.tasks.errors import StateError
from rollq.tasks.mongo.layout import SCHEMA
from rollq.tasks.mongo.records import Reader
from rollq.tasks.rounds.documents import Round, RoundState
from rollq.tasks.rounds.purpose import Research


@dataclass(frozen=True)
class Findings:
    """Where the signals of a round are, how good they are, the sessions that they lack, and the runs behind them.

    ``better`` says of metrics whose direction is not known by their name whether ``higher`` or ``lower`` is better.
    """

    signals: SignalFile
    metrics: dict[str, float]
    gaps: tuple[str, ...]
    runs: tuple[str, ...]
    better: dict[str, str] = field(default_factory=dict)

    def to_document(self) -> dict[str, object]:
        """As it stands in the result of a round of research."""
        return asdict(self)


FINDINGS = Reader("rounds", "result of the round", Findings, "Enqueue its template with --research again.")


def name_of(found: Round) -> str:
    """The name of a round of research; of another one, the strategy that it serves."""
    return found.purpose.name if isinstance(found.purpose, Research) else found.purpose.strategy


def findings(backend: Backend, found: Round) -> Findings:
    """What a gathered round was found to be, for research or not.

    Raises:
        StateError: it is not gathered, or wrote no signals.
        DocumentCorrupted: what is kept of it cannot be read.
    """
    if found.status is RoundState.FAILED:
        raise StateError(f"Round {found.id} of {name_of(found)!r} failed: {found.reason}", "Repair the cause first.")
    if found.status is not RoundState.GATHERED:
        raise StateError(
            f"Round {found.id} of {name_of(found)!r} is not gathered yet.",
            "`rollq worker` trains it; `rollq status` shows how far it is.",
        )
    if isinstance(found.purpose, Research):
        return FINDINGS.read({**(found.result or {}), "_id": found.id, "schema": SCHEMA})
    online = OnlineSets(backend.store).of_round(found.id)
    if online is None or online.signals is None:
        raise StateError(
            f"Round {found.id} wrote no signals of its own: the routine publishes them day by day.",
            f"`rollq signals show {name_of(found)}`; `rollq online compare` compares its challengers.",
        )
    runs = tuple(model.recorder_id for model in online.models)
    return Findings(online.signals, online.metrics, online.gaps, runs, online.better)
