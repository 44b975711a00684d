"""Research: a round that is gathered, measured and compared, and puts nothing online."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Unpack

import pandas as pd

from rollq.scheduler.champions.comparison import CompareOptions, Comparison, Side, compare
from rollq.scheduler.champions.measures import Measures
from rollq.scheduler.champions.promotion import next_session, segment_of
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.rounds.findings import findings, name_of
from rollq.scheduler.rounds.known_round import Wanted, known_round
from rollq.scheduler.signals.files import read_signals
from rollq.scheduler.strategies.plan import variant_of
from rollq.tasks.backend import Backend
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.definition import DATASET, records_of, with_dataset_kwargs
from rollq.tasks.errors import CoverageError, NotFound, StateError
from rollq.tasks.predictions.session_days import on_sessions, sessions_in
from rollq.tasks.rolling.members.role import HORIZON, role_of
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.rounds.documents import Round
from rollq.tasks.rounds.purpose import Research, Serve
from rollq.tasks.tracking.mlflow.experiment import find_run

OUTPUTS = "outputs.parquet"
SHORTEST = 4  # digits that an id may be shortened to


def is_research(found: Round) -> bool:
    """Whether a round is for research."""
    return isinstance(found.purpose, Research)


def research_rounds(backend: Backend) -> list[Round]:
    """The rounds of research, oldest first."""
    return [found for found in backend.rounds.find() if is_research(found)]


def find_round(backend: Backend, text: str) -> Round:
    """The round that is meant: by its id, which may be shortened, or the newest of a name.

    Raises:
        NotFound: there is none, or several begin so.
    """
    rounds = backend.rounds.find()
    named = [found for found in rounds if name_of(found) == text]
    begun = [found for found in rounds if len(text) >= SHORTEST and found.id.startswith(text)]
    exact = [found for found in begun if found.id == text]
    if len(begun) > 1 and not named:
        raise NotFound(f"Several rounds begin with {text!r}.", f"Name one: {', '.join(one.id for one in begun)}.")
    # A name goes before the beginning of an id, and research before what serves under the same name.
    chosen = exact or [found for found in named if is_research(found)] or named or begun
    if not chosen:
        known = ", ".join(sorted({name_of(found) for found in rounds if is_research(found)})) or "nothing yet"
        raise NotFound(
            f"There is no round {text!r}.", f"Research is: {known}. `rollq enqueue TEMPLATE --research` makes some."
        )
    return chosen[-1]


def signals_of(backend: Backend, found: Round) -> pd.DataFrame:
    """The signals of a gathered round: the column ``score`` by (datetime, instrument).

    Raises:
        StateError: as ``findings``.
        ArtifactCorrupted: they are not what was written.
    """
    where = findings(backend, found).signals
    recorder = find_run(where.recorder_id, backend.settings.mlflow_uri)
    return read_signals(recorder.load_object(where.artifact))


def labels_of(backend: Backend, found: Round) -> pd.Series:
    """What really happened on the sessions of a gathered round, as its windows wrote it down when they were trained; of
    several horizons by the first, whose signals are the score.

    Raises:
        StateError: as ``findings``.
        NotFound: a window has no label.
    """
    named = findings(backend, found).runs
    if any(HORIZON in member for member in found.purpose.members):
        tasks = backend.tasks.find(ids=found.task_ids, definitions=True)
        later = {str((task.committed or {}).get("recorder_id")) for task in tasks if role_of(task.definition).order}
        named = tuple(run for run in named if run not in later)
    runs = (find_run(run, backend.settings.mlflow_uri) for run in named)
    labels = [recorder.load_object("label.parquet") for recorder in runs]
    return pd.concat([_series(label) for label in labels]).sort_index().rename("label")


def outputs_of(backend: Backend, found: Round) -> pd.DataFrame | None:
    """What the models of a gathered round say beside their scores, such as quantiles; None: nothing, or several models
    say it of the same rows.

    Raises:
        StateError: as ``findings``.
    """
    recorders = [find_run(run, backend.settings.mlflow_uri) for run in findings(backend, found).runs]
    if not recorders or any(OUTPUTS not in recorder.checksums() for recorder in recorders):
        return None
    joined = pd.concat([recorder.load_object(OUTPUTS) for recorder in recorders])
    return joined if joined.index.is_unique else None


def compare_rounds(
    backend: Backend,
    reference: Round,
    other: Round,
    *,
    start: str | None = None,
    end: str | None = None,
    last: int | None = None,
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Compare two rounds on the sessions that both predict, with the labels of ``reference``.

    Args:
        start, end: sessions (``YYYY-MM-DD``).
        last: only so many sessions, the newest.
        options: as for ``compare``.

    Raises:
        StateError, NotFound: as ``labels_of``.
        CoverageError: they have too few sessions in common.
    """
    names = [name_of(found) for found in (reference, other)]
    if names[0] == names[1]:
        names = [f"{name} {found.id}" for name, found in zip(names, (reference, other), strict=True)]
    frames = [signals_of(backend, found) for found in (reference, other)]
    days = _days(frames, start, end, last)
    first, second = (
        Side(name, one[on_sessions(one, days)], outputs_of(backend, found))
        for name, one, found in zip(names, frames, (reference, other), strict=True)
    )
    options.setdefault("measures", _measures(backend, reference, days))
    ahead = max(1, *(_lookahead(found) for found in (reference, other)))
    return compare(first, second, labels_of(backend, reference).to_frame(), lookahead=ahead, **options)


def _measures(backend: Backend, reference: Round, days: Sequence[str]) -> Measures | None:
    """The records of a round, on the sessions that are compared; None, if its tasks are gone."""
    tasks = backend.tasks.find(ids=reference.task_ids[:1], definitions=True)
    if not tasks:
        return None
    # One of several models that each have rows of their own knows these alone.
    definition, components = with_dataset_kwargs(tasks[0].definition, only=None), backend.settings.components

    @cache
    def dataset() -> Dataset:
        made: Dataset = build(definition[DATASET], DATASET, components)
        return segment_of(made, days[0], days[-1])

    return Measures(list(records_of(definition)), dataset, components)


def promote_round(backend: Backend, found: Round) -> str:
    """Open the round that puts the models of a round of research online; returns its id.

    They serve from the session on that follows what was published last; nothing is trained again.

    Raises:
        StateError: it is not gathered, or its tasks were trained again since; or it serves already, or did before.
    """
    runs = findings(backend, found).runs
    tasks = backend.tasks.find(ids=found.task_ids, definitions=True)
    now = {str((task.result or {}).get("recorder_id")) for task in tasks}
    if not set(runs) <= now:
        raise StateError(
            f"Some tasks of round {found.id} were trained again, or removed, since it was gathered.",
            "Enqueue its template with --research again, and promote that round.",
        )
    strategy = found.purpose.strategy
    current = OnlineSets(backend.store).find(strategy)
    if current and {model.recorder_id for model in current.models} == set(runs):
        raise StateError(f"Round {found.id} serves already: {strategy} version {current.version}.")
    # What was published stays: its sessions are not served again.
    begin = max(next_session(backend, strategy), min(found.purpose.sessions, default=""))
    champion = variant_of(tasks[0].definition) if tasks else BASE
    why = f"research {name_of(found)}, round {found.id}"
    members = found.purpose.members
    purpose = Serve(strategy, found.purpose.sessions, begin=begin, champion=champion, why=why, members=members)
    # Two people who promote at once open one round, because the id is made of what it is about.
    ident, ended = known_round(backend, Wanted(found.pool, found.task_ids, purpose, found.policy))
    if ended and current and (before := OnlineSets(backend.store).of_round(ident)):
        raise StateError(
            f"Round {found.id} was put online before, as version {before.version}; version {current.version} serves.",
            f"`rollq online rollback {strategy} --to {before.version}` lets it serve again.",
        )
    if not ended:
        backend.rounds.create(found.pool, found.task_ids, purpose, policy=found.policy, ident=ident)
        backend.tasks.join_round(found.task_ids, ident)
    return ident


def _lookahead(found: Round) -> int:
    return found.purpose.lookahead if isinstance(found.purpose, Research) else 1


def _days(frames: Sequence[pd.DataFrame], start: str | None, end: str | None, last: int | None) -> list[str]:
    common = sorted(set.intersection(*(set(sessions_in(frame)) for frame in frames)))
    days = [day for day in common if (start or "") <= day and (end is None or day <= end)]
    if not days:
        raise CoverageError("They have no session in common.", "Compare rounds whose test segments overlap.")
    return days[-last:] if last else days


def _series(label: pd.DataFrame | pd.Series) -> pd.Series:
    return label.iloc[:, 0] if isinstance(label, pd.DataFrame) else label
