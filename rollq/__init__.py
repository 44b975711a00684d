"""rollq: a distributed task queue for rolling (walk-forward) training. Users import from here alone.

Names are imported when they are first used, so that ``rollq --help`` does not wait for pandas and LightGBM.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "rollq.tasks.backend": ["Backend"],
    "rollq.tasks.backfills.backfill": ["Backfill", "BackfillMode", "BackfillState"],
    "rollq.tasks.backfills.ledger": ["Backfills"],
    "rollq.tasks.rolling.calendar": ["TimeAdjuster"],
    "rollq.tasks.predictions.day_hashes": ["changed_days", "day_hashes", "frame_hashes"],
    "rollq.tasks.errors": [
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
        "TrainingFailed",
        "Unavailable",
    ],
    "rollq.tasks.predictions.fitted_dataset": ["fitted_dataset"],
    "rollq.tasks.predictions.increments": ["Increment", "load_increment"],
    "rollq.tasks.tracking.mlflow.experiment": ["MLflowExperiment"],
    "rollq.tasks.rolling.generator": ["MultiHorizonGenBase", "RollingGen", "TaskGen", "handler_mod", "task_generator"],
    "rollq.tasks.client.manager": ["TaskManager"],
    "rollq.tasks.rolling.model_identity": ["model_identity"],
    "rollq.tasks.queue.task_queue": ["TaskQueue"],
    "rollq.tasks.tracking.mlflow.recorder": ["MLflowRecorder"],
    "rollq.tasks.predictions.ranges": ["replace_range"],
    "rollq.tasks.rounds.purpose": ["Research", "Serve"],
    "rollq.tasks.rounds.rounds": ["Rounds"],
    "rollq.tasks.queue.worker_registry": ["WorkerRegistry"],
    "rollq.tasks.client.run_task": ["run_task"],
    "rollq.tasks.config.settings": ["Settings", "load_settings"],
    "rollq.tasks.queue.states": ["TaskState"],
    "rollq.tasks.mongo.client": ["Store"],
    "rollq.tasks.tracking.runs.experiment": ["Experiment"],
    "rollq.tasks.tracking.manager": ["ExpManager", "MLflowExpManager"],
    "rollq.tasks.tracking.runs.recorder": ["Recorder"],
    "rollq.tasks.tracking.workflow": ["R", "Workflow"],
    "rollq.tasks.queue.prefetch": ["Claim"],
    "rollq.tasks.queue.task": ["Task", "TaskError"],
    "rollq.tasks.client.waiting": ["Waited"],
    "rollq.tasks.rolling.segments": ["trunc_segments"],
    "rollq.tasks.rolling.template": ["Template", "load_template"],
    "rollq.scheduler.collect.collectors": ["Collector", "MergeCollector"],
    "rollq.scheduler.champions.bootstrap": ["Interval", "block_bootstrap"],
    "rollq.scheduler.champions.comparison": ["Comparison", "Side", "compare", "daily_scores", "turnover"],
    "rollq.scheduler.collect.ensembles": ["AverageEnsemble", "Ensemble", "RollingEnsemble", "SingleKeyEnsemble"],
    "rollq.scheduler.collect.groups": ["Group", "RollingGroup"],
    "rollq.scheduler.collect.recorder_collector": ["RecorderCollector"],
    "rollq.scheduler.collect.recorders": ["list_recorders"],
    "rollq.online.manager": ["OnlineManager"],
    "rollq.scheduler.online.online_set": ["OnlineModel", "OnlineSet"],
    "rollq.scheduler.online.ledger": ["OnlineSets"],
    "rollq.scheduler.online.tool": ["OnlineTool"],
    "rollq.scheduler.routine.driver": ["bring_up_to"],
    "rollq.scheduler.routine.ledger": ["Routine", "Routines", "RoutineState"],
    "rollq.scheduler.signals.ledger": ["SignalLedger"],
    "rollq.scheduler.strategies.base": ["Latest", "OnlineStrategy", "Plan"],
    "rollq.scheduler.strategies.rolling": ["RollingStrategy"],
    "rollq.scheduler.strategies.registry": ["StrategyRegistry"],
    "rollq.scheduler.rounds.trainers": ["DelayTrainer", "Trainer"],
    "rollq.tasks.components.block_function": ["BlockFunction"],
    "rollq.tasks.components.dataset": ["Dataset"],
    "rollq.workers.datasets.panel": ["PanelDataset"],
    "rollq.workers.datasets.table.dataset": ["TableDataset"],
    "rollq.tasks.components.model": ["Model"],
    "rollq.workers.models.lightgbm": ["LGBModel"],
    "rollq.workers.models.ridge": ["RidgeModel"],
    "rollq.workers.records.analysis": ["SigAnaRecord"],
    "rollq.tasks.components.record": ["Record"],
    "rollq.workers.records.signal": ["SignalRecord"],
    "rollq.workers.qlib.portfolio": ["PortAnaRecord"],
    "rollq.workers.jobs.task_train": ["begin_task_train", "end_task_train", "task_train"],
    "rollq.workers.jobs.updaters": ["LabelUpdater", "PredUpdater"],
    "rollq.trainers": ["DelayTrainerR", "DelayTrainerRM", "TrainerR", "TrainerRM"],
    "rollq.local.stack": ["LocalStack"],
    "rollq.initialization": ["init"],
    "rollq.online.tags": ["OnlineToolR"],
    "rollq.tasks.client.instances": ["flatten_dict", "init_instance_by_config"],
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
__all__ = sorted([*_MODULE_OF, "__version__"])
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'rollq' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
