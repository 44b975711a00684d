"""Can every model that serves, or ever served, be loaded?

Runs are looked at page by page. Models are read, what serves now first, until it takes too long; of the others it is
known then that their runs are there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from rollq.health.check import Check
from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.signals.ledger import SignalLedger
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound, RollqError
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, find_run
from rollq.tasks.tracking.mlflow.recorder import SUPERSEDED, MLflowRecorder
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.process import Life, Process

READ_SECONDS = 20.0  # models are read for so long
FEW = 50  # runs that are asked for one by one; more are found by paging through their experiment
SHOWN = 5
FIX = "Restore what was deleted, or put another version online: `rollq online rollback`, `rollq enqueue`."


@dataclass(frozen=True)
class Needed:
    """A run that is needed, what for, and whether a model that serves now is in it; or a model at all."""

    run: str
    pool: str
    what: str
    serves: bool
    is_model: bool


def serving_check(backend: Backend, repair: bool) -> Check:
    """The doctor's line about what serves.

    Args:
        repair: runs that were closed by mistake, and whose model can be loaded, are FINISHED again.

    Raises:
        Unavailable: store or MLflow does not answer.
    """
    faults, repaired = list[str](), list[str]()
    needed = sorted(_needed(backend, faults), key=lambda one: not one.serves)
    runs = _runs(backend, needed, faults)
    end, unread = time.monotonic() + READ_SECONDS, 0
    for one in needed:
        if (recorder := runs.get(one.run)) is None:
            continue
        finished = recorder.status is RecorderStatus.FINISHED
        # A run that is not FINISHED is read even now: only a model that can be loaded may be reinstated.
        if one.is_model and finished and time.monotonic() > end:
            unread += 1
        elif one.is_model and (why := _unreadable(backend, recorder, one)):
            faults.append(f"run {one.run} of {one.what}: {why}")
            continue
        if finished:
            continue
        process = Process.of_tags(recorder.tags)
        lives = recorder.status is RecorderStatus.RUNNING and process and process.life() is Life.ALIVE
        if repair and not lives:
            recorder.reinstate()
            repaired.append(f"run {one.run} of {one.what} is FINISHED again")
        else:
            closed = recorder.tags.get(SUPERSEDED, "")
            advice = f"end {process}, then `rollq doctor --repair`" if lives else "`rollq doctor --repair` repairs it"
            why = f"it shows {recorder.status}{f' ({closed})' if closed else ''}: {advice}"
            faults.append(f"run {one.run} of {one.what}: {why}")
    models = sum(one.is_model for one in needed)
    good = f"{models} models that serve or ever served can be loaded"
    if unread:
        good = f"{models} models serve or ever served: all runs are there, {models - unread} of the models were read"
    if faults:
        return Check("serving", False, _line(faults), FIX)
    return Check("serving", True, f"repaired: {_line(repaired)}" if repaired else good)


def _needed(backend: Backend, faults: list[str]) -> list[Needed]:
    """The runs of every version, each once, the newest versions first."""
    found: dict[str, Needed] = {}
    sets, ledger = OnlineSets(backend.store), SignalLedger(backend)
    for strategy in sets.strategies():
        try:
            # The newest first, and `setdefault` keeps the first: a model of several versions counts as serving if the
            # newest has it.
            for online in reversed(history := sets.history(strategy)):
                for one in _of_set(online, online is history[-1]):
                    found.setdefault(one.run, one)
            for entry in ledger.entries(strategy):
                what = f"the signals of {strategy!r}"
                found.setdefault(entry.recorder_id, Needed(entry.recorder_id, entry.pool, what, False, False))
        except RollqError as error:
            faults.append(error.message)
    return list(found.values())


def _of_set(online: OnlineSet, is_current: bool) -> Iterator[Needed]:
    name = f"version {online.version} of {online.strategy!r}"
    for variant, models in ((online.champion, online.models), *online.challengers.items()):
        serves = is_current and variant == online.champion
        for model in models:
            what = f"{name} ({variant}, test from {model.test[0]})"
            yield Needed(model.recorder_id, online.pool, what, serves, True)
    if online.signals:
        yield Needed(online.signals.recorder_id, online.pool, f"the signals of {name}", False, False)


def _runs(backend: Backend, needed: list[Needed], faults: list[str]) -> dict[str, MLflowRecorder]:
    """Those of the runs that are there, by id."""
    found: dict[str, MLflowRecorder] = {}
    for pool in dict.fromkeys(one.pool for one in needed):
        wanted = {one.run: one for one in needed if one.pool == pool}
        experiment = MLflowExperiment.find(pool, backend.settings.mlflow_uri)
        if experiment and len(wanted) > FEW:
            found |= {recorder.id: recorder for recorder in experiment.iter_recorders() if recorder.id in wanted}
        for run in wanted.keys() - found.keys():
            try:
                found[run] = find_run(run, backend.settings.mlflow_uri)
            except NotFound:
                if experiment is None:
                    what = wanted[run].what
                    faults.append(f"experiment {pool!r} of {what} is gone or was deleted: `mlflow experiments restore`")
                    break
                why = "it was deleted: `mlflow runs restore`" if experiment.was_deleted(run) else "it is gone"
                faults.append(f"run {run} of {wanted[run].what}: {why}")
    return found


def _unreadable(backend: Backend, recorder: MLflowRecorder, one: Needed) -> str:
    """Why a model cannot be loaded; of one that serves no more, its bytes alone are looked at."""
    from rollq.workers.jobs.prediction import load_model

    try:
        if one.serves:
            load_model(recorder, backend.settings.components)
        else:
            recorder.load_folder("model")
    except RollqError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - of whatever class it is: it cannot be loaded
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def _line(found: list[str]) -> str:
    return "; ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
