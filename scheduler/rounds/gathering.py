"""Gathering a finished round: its results are loaded, judged, and published in one write, the new online set."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineModel, OnlineSet, SignalFile
from rollq.scheduler.rounds.findings import Findings
from rollq.scheduler.rounds.results import RoundResults, load_results, recorder_of, to_model
from rollq.scheduler.rounds.verdict import Verdict, judge
from rollq.scheduler.signals.files import summary, write_signals
from rollq.scheduler.strategies.choice import choose
from rollq.scheduler.strategies.plan import variant_of
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.backend import Backend
from rollq.tasks.definition import DATA
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.queue.task import Task
from rollq.tasks.rounds.documents import Round
from rollq.tasks.rounds.purpose import Research, Serve
from rollq.tasks.tracking.runs.provenance import provenance
from rollq.tasks.tracking.runs.run_tags import KIND, ROUND, STRATEGY

SIGNALS = "signals.parquet"


def gather_round(backend: Backend, finished: Round, by: str, check: Check = no_lease) -> OnlineSet | Findings:
    """Load a finished round, judge it, and publish what counts: its online set; of research, its findings.

    Gathering again returns the set that it made. A round that comes after one that was made later changes nothing: the
    set that serves is returned.

    Raises:
        RoundFailed: too few of its tasks are done.
        CoverageError: its predictions leave a hole, or overlap.
        NotFound, ArtifactCorrupted: an artifact is missing, or is not what was written.
        LeaseLost: from ``check``, which is called before each write.
    """
    made: OnlineSet | Findings | None = None
    if isinstance(finished.purpose, Serve):
        # A set that is there was inserted by a coordinator that died before it could say so: what is left is to finish
        # the round.
        made = OnlineSets(backend.store).of_round(finished.id)
    if made is None:
        results = load_results(backend, finished)
        verdict = judge(results)
        made = publish(backend, results, verdict, by, check)
    return made


def publish(backend: Backend, results: RoundResults, verdict: Verdict, by: str, check: Check) -> OnlineSet | Findings:
    """Write the signals of a round, if it has its own; then put its set online, unless it is for research."""
    purpose = results.round.purpose
    if isinstance(purpose, Research):
        runs = tuple(recorder_of(task) for task in verdict.done)
        return Findings(write_run(results, verdict, check), verdict.metrics, verdict.gaps, runs, verdict.better)
    # A round of a routine writes none: the routine publishes day by day, when it knows what serves.
    signals = None if purpose.session else write_run(results, verdict, check)
    made = online_set(backend, purpose, results, verdict, signals, by)
    online, new = OnlineSets(backend.store).publish(made, check)
    # This coordinator's run is referred to by no set, as the set of another one was first: it is closed as superseded.
    if signals and not new:
        check()
        run = results.experiment.get_recorder(signals.recorder_id)
        backend.tasks.references.close(run, "another set was first")
    return online


def online_set(
    backend: Backend, purpose: Serve, results: RoundResults, verdict: Verdict, signals: SignalFile | None, by: str
) -> OnlineSet:
    """The set that a round makes; number and time are given by the ledger."""
    return OnlineSet(
        strategy=purpose.strategy,
        version=0,
        pool=results.round.pool,
        round_id=results.round.id,
        at=datetime.now(UTC),
        by=by,
        models=tuple(chosen(backend, purpose, [to_model(task) for task in verdict.done], results.current)),
        signals=signals,
        metrics=verdict.metrics,
        better=verdict.better,
        gaps=verdict.gaps,
        session=purpose.session or purpose.begin or min(verdict.sessions, default=""),
        why=purpose.why,
        mode=purpose.mode,
        champion=results.champion,
        challengers=challengers(results),
        data=_data_of(verdict.done),
        code=_code(),
        planned_at=results.round.created_at,
    )


def chosen(
    backend: Backend, purpose: Serve, trained: Sequence[OnlineModel], current: OnlineSet | None
) -> Sequence[OnlineModel]:
    """The models that the strategy chooses to serve; all that were trained, where no strategy is registered."""
    registry = StrategyRegistry(backend)
    entry = registry.find(purpose.strategy) if purpose.session else None
    if entry is None:
        return trained
    strategy = registry.strategy(entry)
    strategy.use(backend)
    return choose(strategy, trained, current.models if current else (), purpose)


def challengers(results: RoundResults) -> dict[str, tuple[OnlineModel, ...]]:
    """The models of the other variants; one that could not be trained goes on with those that it had."""
    found: dict[str, tuple[OnlineModel, ...]] = {}
    for task in results.tasks:
        variant = variant_of(task.definition)
        if variant != results.champion and task.committed is not None:
            found[variant] = (*found.get(variant, ()), to_model(task))
    variants = {variant_of(task.definition) for task in results.tasks}
    kept = results.current.challengers if results.current else {}
    # A challenger that the template has no more is left behind.
    return {**{name: models for name, models in kept.items() if name in variants}, **found}


def write_run(results: RoundResults, verdict: Verdict, check: Check) -> SignalFile:
    """Write the joint signals of a round to a run of their own; returns where they are."""
    strategy = results.round.purpose.strategy
    tags = {ROUND: results.round.id, STRATEGY: strategy, KIND: "signals"}
    check()
    recorder = results.experiment.create_recorder(f"signals {strategy}", tags, start=True)
    with tempfile.TemporaryDirectory(prefix="rollq-") as folder:
        path = Path(folder) / SIGNALS
        checksum = write_signals(verdict.signals, path)
        check()
        recorder.log_artifact(path)
    check()
    recorder.log_metrics(verdict.metrics)
    recorder.end_run()
    return SignalFile(recorder_id=recorder.id, artifact=SIGNALS, sha256=checksum, **summary(verdict.signals))


def _data_of(tasks: Sequence[Task]) -> tuple[str, ...]:
    """SHA-256 of the data that the models were made from."""
    return tuple(sorted({str((task.definition.get(DATA) or {}).get("sha256", "")) for task in tasks} - {""}))


def _code() -> dict[str, str]:
    summary = provenance().summary
    return {"rollq": summary["libraries"].get("rollq", ""), "git_commit": summary["git_commit"]}
