"""What has failed and still counts: shown wherever a strategy is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rollq.scheduler.champions.research import is_research
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.routine.ledger import Routines, RoutineState
from rollq.scheduler.strategies.plan import variant_of
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound
from rollq.tasks.queue.states import LOST
from rollq.tasks.queue.task import Task
from rollq.tasks.rounds.documents import Round, RoundState

LENGTH = 300  # characters of a reason that are shown


@dataclass(frozen=True)
class Failure:
    """Something of a strategy that failed: what it is, why, and what helps."""

    strategy: str
    what: str
    reason: str
    fix: str

    def to_dict(self) -> dict[str, str]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.strategy}: {self.what} failed: {self.reason}"


def failures(backend: Backend, strategies: Sequence[str] | None = None) -> list[Failure]:
    """What has failed and was not done since, of these strategies (of all): routines, rounds, windows, challengers."""
    sets = OnlineSets(backend.store)
    registered = {one.name for one in StrategyRegistry(backend).all()}
    newest = _newest_rounds(backend)
    names = strategies if strategies is not None else sorted({*sets.strategies(), *registered, *newest})
    found: list[Failure] = []
    for name in names:
        routines = _failed_routines(backend, name) if name in registered else []
        found += routines
        if not routines and name in newest:
            found += _failed_round(newest[name])
        if online := sets.find(name):
            found += _failed_windows(backend, online)
    return found


def _failed_routines(backend: Backend, name: str) -> list[Failure]:
    """Routines of a strategy that stopped at a step, each with what goes on with it."""
    return [
        Failure(
            name,
            f"the routine for {one.session}, at {one.next_step!s}",
            one.reason[:LENGTH],
            f"Repair the cause; `rollq routine run {name}` goes on there. `rollq routine show {name} {one.session}`.",
        )
        for one in Routines(backend).history(name)
        if one.status is RoutineState.FAILED
    ]


def _newest_rounds(backend: Backend) -> dict[str, Round]:
    """The newest round of each strategy that is to serve; research may fail, and nothing that serves is hurt."""
    serving = [one for one in backend.rounds.find() if not is_research(one)]
    return {one.purpose.strategy: one for one in serving if one.purpose.strategy}


def _failed_round(newest: Round) -> list[Failure]:
    if newest.status is not RoundState.FAILED:
        return []
    fix = f"Repair the cause, then `rollq tasks retry --pool {newest.pool} --status failed`."
    return [Failure(newest.purpose.strategy, f"round {newest.id}", newest.reason[:LENGTH], fix)]


def _failed_windows(backend: Backend, online: OnlineSet) -> list[Failure]:
    """Windows of the round of what serves that gave no model: of challengers and, if its policy let them, others."""
    try:
        ids = backend.rounds.get(online.round_id).task_ids
    except NotFound:
        return []
    by_variant: dict[str, list[Task]] = {}
    for task in backend.tasks.find(ids=ids, status=LOST, definitions=True):
        by_variant.setdefault(variant_of(task.definition), []).append(task)
    return [_of_variant(online, variant, failed) for variant, failed in by_variant.items()]


def _of_variant(online: OnlineSet, variant: str, failed: Sequence[Task]) -> Failure:
    """The failed windows of the champion, or of a challenger, in one line: what helps differs."""
    first = failed[0]
    error = first.error or {}
    some = f"{len(failed)} of its windows, such as" if len(failed) > 1 else "its window"
    reason = f"{some} {first.id[:12]}: {error.get('message') or first.status}"
    if variant == online.champion:
        what = "a window of what serves"
        fix = f"Repair the cause, `rollq tasks retry {first.id[:12]}`, and enqueue the template again."
    else:
        what = f"challenger {variant}"
        fix = f"Repair the cause (`rollq tasks show {first.id[:12]}`): it takes part again from the next window on."
    return Failure(online.strategy, what, reason[:LENGTH], fix)
