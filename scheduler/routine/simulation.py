"""Simulation: the sessions of the past, in their order, with another clock. The code is that of the routine.

On a session a strategy sees the calendar up to that session only, and a model is trained on the first session of its
own test segment. What models predict is independent of when they are asked, so predictions are made, and signals
published, once at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rollq.scheduler.champions import promotion as champions
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.serving import served
from rollq.scheduler.rounds.known_round import begun_round
from rollq.scheduler.rounds.trained_round import TrainedRound
from rollq.scheduler.routine.ledger import Routines, round_id
from rollq.scheduler.routine.steps import Job
from rollq.scheduler.signals import publication as publishing
from rollq.scheduler.signals.ledger import SignalEntry
from rollq.scheduler.strategies.latest import latest_of, latest_planned
from rollq.scheduler.strategies.own_days import on_own_days
from rollq.scheduler.strategies.plan import Latest, Plan
from rollq.scheduler.updates import prediction_tasks as updates
from rollq.tasks.errors import StateError
from rollq.tasks.queue.task import Created
from rollq.tasks.rounds.purpose import SIMULATION

Progress = Callable[[str, int], None]  # a session, and how many tasks it has brought


@dataclass
class Simulated:
    """One strategy in a simulation: its job, what was planned last, and the rounds in the order of their sessions."""

    job: Job
    latest: Latest = field(default_factory=lambda: Latest(""))
    rounds: list[TrainedRound] = field(default_factory=list)


class Simulation:
    """Walks the sessions from ``begin`` to ``end``.

    Args:
        jobs: one per strategy; their session is the first one.
        sessions: to walk, ascending, ``YYYY-MM-DD``.

    Raises:
        StateError: there is no session, or a strategy is live already.
    """

    def __init__(self, jobs: Sequence[Job], sessions: Sequence[str], timeout: float | None = None) -> None:
        if not sessions:
            raise StateError("There is no session to simulate.", "Look at begin and end, and at the data.")
        self._parts = [Simulated(job) for job in jobs]
        self._sessions = sessions
        self._timeout = timeout
        for job in jobs:
            _refuse_live(job, sessions[-1])

    @property
    def jobs(self) -> list[Job]:
        """One per strategy."""
        return [part.job for part in self._parts]

    def plan(self, progress: Progress | None = None) -> None:
        """Walk the sessions: plan and train. A trainer that delays only registers: ``finish`` trains."""
        for session in self._sessions:
            brought = sum(self._session(part, session) for part in self._parts)
            if progress and brought:
                progress(session, brought)

    def finish(self) -> list[SignalEntry]:
        """Train what was delayed, all together; gather the rounds in order; predict; publish the signals.

        Returns:
            What was published, by strategy.

        Raises:
            RoundFailed: a round, or a prediction, failed.
            CoverageError: the signals have holes.
            StateError: the time is over.
        """
        for part in self._parts:
            for trained in part.rounds:
                part.job.trainer.start_round(trained)
        for part in self._parts:
            for trained in part.rounds:
                part.job.trainer.wait(trained, self._timeout)
        published = [self._publish(part.job) for part in self._parts]
        return [entry for entry in published if entry]

    def _session(self, part: Simulated, session: str) -> int:
        """Plan a session as if later ones did not exist, train if something is due, apply the rule."""
        plan = self._planned(part, session)
        if plan.definitions:
            trained = self._train(part, plan)
            part.latest = latest_of(plan.definitions, trained.created.ids, part.latest)
            part.rounds.append(trained)
            # A rule looks at what serves, and own code may: so even a trainer that delays must train now.
            looks = part.job.strategy.promotion_rule or part.job.strategy.own_tasks
            if not part.job.trainer.is_delay() or looks:
                part.job.trainer.wait(part.job.trainer.start_round(trained), self._timeout)
        if part.job.strategy.promotion_rule:
            job = part.job
            champions.by_rule(job.backend, job.strategy, job.sets.current(job.strategy.name), session, job.by)
        return len(plan.definitions)

    def _planned(self, part: Simulated, session: str) -> Plan:
        latest = part.latest if part.latest.start else None
        return part.job.strategy.plan(session, latest, self._sessions[-1], part.job.keywords.tasks)

    def _train(self, part: Simulated, plan: Plan) -> TrainedRound:
        """Open the round of a plan, or find the one that an earlier run of the same simulation opened."""
        why = "simulation" if part.rounds else "first training, simulation"
        follows = part.rounds[-1].id if part.rounds else ""
        given = dict(part.job.keywords.models)
        purpose = replace(plan.purpose, mode=SIMULATION, why=why, follows=follows, model_kwargs=given)
        ident = round_id(part.job.strategy.name, plan.session, part.job.registered.plan)
        if known := begun_round(part.job.backend, ident):  # of a simulation that ended earlier, or was interrupted
            ids = known.task_ids
            if len(ids) == len(plan.definitions):
                return TrainedRound(ident, known.pool, Created(ids, 0))
        return part.job.trainer.open_round(plan.definitions, purpose, options=plan.options, ident=ident)

    def _publish(self, job: Job) -> SignalEntry | None:
        """Predict what is missing and publish the signals of all sessions; the routine never does these again."""
        end = self._sessions[-1]
        history = OnlineSets(job.backend.store).history(job.strategy.name)
        since = job.registered.published_from
        days = publishing.unpublished(job.backend, job.strategy, end, since)
        wanted = updates.missing(job.backend, on_own_days(job.strategy, served(history, days, challengers=True)))
        updates.predict(job.backend, job.strategy, job.trainer, wanted, self._timeout)
        entry = publishing.publish_signals(
            job.backend, job.strategy, end, job.by, since=since, allow_gaps=job.allow_gaps, why="simulation"
        )
        # Last: killed before it, the simulation is run again and finds everything done.
        Routines(job.backend).skip(job.registered.name, end, "simulated")
        return entry


def _refuse_live(job: Job, end: str) -> None:
    """A strategy that is live is not simulated: its ledger says what really was online."""
    history = job.sets.history(job.strategy.name)
    if any(online.mode != SIMULATION for online in history):
        raise StateError(
            f"{job.strategy.name!r} is online: its ledger is no simulation.",
            "Simulate under another name, or forget what was online: OnlineManager.reset(live=True).",
        )
    if history and latest_planned(history).start > end:
        raise StateError(
            f"{job.strategy.name!r} was simulated past {end} already.",
            "Use another name, or forget that simulation: OnlineManager.reset().",
        )
