"""rollq: a distributed task queue for rolling (walk-forward) training. Users import from here alone.

Names are imported when they are first used, so that ``rollq --help`` does not wait for pandas and LightGBM.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "tasks.backend": ["Backend"],
    "tasks.backfill": ["Backfill", "BackfillMode", "BackfillState"],
    "tasks.backfills": ["Backfills"],
    "tasks.calendar": ["TimeAdjuster"],
    "tasks.day_hashes": ["changed_days", "day_hashes", "frame_hashes"],
    "tasks.errors": [
        "ArtifactCorrupted",
        "ArtifactMissing",
        "BadInput",
        "CalendarError",
        "ComponentError",
        "CoverageError",
        "DataError",
        "EnsembleError",
        "InvalidTransition",
        "LeaseLost",
        "NotFound",
        "PermanentError",
        "RollqError",
        "RoundFailed",
        "SegmentError",
        "SettingsError",
        "StateError",
        "TemplateError",
        "Unavailable",
    ],
    "tasks.fitted_dataset": ["fitted_dataset"],
    "tasks.increments": ["Increment", "load_increment"],
    "tasks.tracking.mlflow_experiment": ["MLflowExperiment"],
    "tasks.generator": ["MultiHorizonGenBase", "RollingGen", "TaskGen", "task_generator"],
    "tasks.manager": ["TaskManager"],
    "tasks.model_identity": ["model_identity"],
    "tasks.pools": ["TaskPools"],
    "tasks.tracking.mlflow_recorder": ["MLflowRecorder"],
    "tasks.ranges": ["replace_range"],
    "tasks.rounds": ["Rounds"],
    "tasks.roster": ["Roster"],
    "tasks.run_task": ["run_task"],
    "tasks.settings": ["Settings", "load_settings"],
    "tasks.states": ["TaskState"],
    "tasks.store": ["Store"],
    "tasks.tracking.experiment": ["Experiment"],
    "tasks.tracking.manager": ["ExpManager", "MLflowExpManager"],
    "tasks.tracking.recorder": ["Recorder"],
    "tasks.tracking.workflow": ["R", "Workflow"],
    "tasks.task": ["Claim", "Task", "TaskError"],
    "tasks.waiting": ["Waited"],
    "tasks.template": ["Template", "load_template"],
    "scheduler.collectors": ["Collector", "MergeCollector"],
    "scheduler.bootstrap": ["Interval", "block_bootstrap"],
    "scheduler.comparison": ["Comparison", "Side", "compare", "daily_scores", "turnover"],
    "scheduler.ensembles": ["AverageEnsemble", "Ensemble", "RollingEnsemble", "SingleKeyEnsemble"],
    "scheduler.groups": ["Group", "RollingGroup"],
    "scheduler.recorder_collector": ["RecorderCollector"],
    "scheduler.online_manager": ["OnlineManager"],
    "scheduler.online_set": ["OnlineModel", "OnlineSet"],
    "scheduler.online_sets": ["OnlineSets"],
    "scheduler.online_tool": ["OnlineTool"],
    "scheduler.routine": ["bring_up_to"],
    "scheduler.routines": ["Routine", "Routines", "RoutineState"],
    "scheduler.signal_ledger": ["SignalLedger"],
    "scheduler.strategies": ["Latest", "OnlineStrategy", "Plan", "RollingStrategy"],
    "scheduler.strategy_book": ["StrategyBook"],
    "scheduler.trainers": ["DelayTrainer", "Trainer"],
    "workers.datasets.base": ["Dataset"],
    "workers.datasets.panel": ["PanelDataset"],
    "workers.models.base": ["Model"],
    "workers.models.lightgbm": ["LGBModel"],
    "workers.models.ridge": ["RidgeModel"],
    "workers.records.analysis": ["SignalAnalysisRecord"],
    "workers.records.base": ["Record"],
    "workers.records.signal": ["SignalRecord"],
    "workers.updaters": ["LabelUpdater", "PredUpdater"],
    "rollq.in_process": ["DelayInProcessTrainer", "InProcessTrainer"],
    "rollq.local.stack": ["LocalStack"],
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = sorted([*_MODULE_OF, "__version__"])
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'rollq' has no attribute {name!r}")
    try:
        return getattr(import_module(_MODULE_OF[name]), name)
    except ImportError:
        from rollq.shadowing import hidden

        if found := hidden():
            raise ImportError(" ".join(found)) from None
        raise


def __dir__() -> list[str]:
    return list(__all__)
