"""The routines of several strategies, driven by one process until they are done."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from rollq.online.routine_runs import RoutineRuns, said
from rollq.scheduler.rounds.trainers import Trainer, trainer_for
from rollq.scheduler.routine.driver import bring_up_to
from rollq.scheduler.routine.ledger import Routine, RoutineState
from rollq.scheduler.strategies.keywords import Keywords
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.backend import Backend
from rollq.tasks.errors import RoundFailed, StateError

log = logging.getLogger(__name__)


def drive(
    backend: Backend,
    upto: Mapping[str, str | None],
    trainer: Trainer | type[Trainer],
    by: str,
    timeout: float | None,
    *,
    allow_gaps: bool = False,
    keywords: Keywords | None = None,
) -> RoutineRuns:
    """Go on with the routines of strategies until they are DONE or have FAILED.

    Args:
        upto: the session of each strategy by its name; None: the last one.
        trainer: an object or a class; each pool has one of its kind.
        by: who or what asked for it.
        timeout: seconds for all of it; None waits for ever.
        allow_gaps: publish signals in spite of holes.
        keywords: of the strategies' own methods.

    Raises:
        RoundFailed: a strategy's routine failed; the others went on.
        StateError: the time is over.
    """
    registry = StrategyRegistry(backend)
    end = None if timeout is None else time.monotonic() + timeout
    reached: dict[str, Routine | None] = {}
    while pending := [name for name in upto if name not in reached]:
        for name in pending:
            routine = bring_up_to(backend, name, upto[name], by, trainer, allow_gaps=allow_gaps, keywords=keywords)
            if routine is None or routine.status is not RoutineState.OPEN:
                reached[name] = routine
                log.info("%s: %s", name, said(routine))
        # After a look at each strategy: with a time of 0 what is done already is found.
        if end is not None and time.monotonic() > end:
            raise StateError(f"The routines of {', '.join(pending)} are not done after {timeout:.0f} s.")
        # In this process it trains; with workers it sleeps. One strategy is enough: all of them are looked at again
        # next.
        trainer_for(trainer, backend, registry.get(pending[0]).pool).work()
    _refuse_failed(reached)
    return RoutineRuns({name: reached[name] for name in upto})


def _refuse_failed(reached: Mapping[str, Routine | None]) -> None:
    failed = [routine for routine in reached.values() if routine and routine.status is RoutineState.FAILED]
    if failed:
        reasons = "; ".join(f"{one.strategy} on {one.session}: {one.reason}" for one in failed)
        raise RoundFailed(f"Routines failed: {reasons}", "See `rollq routine list`; repair the cause and run it again.")
