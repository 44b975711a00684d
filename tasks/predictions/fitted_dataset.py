"""The dataset of a trained model, on the data of today and with what its processors learned from its train segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.definition import DATASET, Component, kwargs_of, with_kwargs
from rollq.tasks.errors import ArtifactMissing
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder


def fitted_dataset(
    recorder: MLflowRecorder, config: Component | None = None, components: tuple[str, ...] = ()
) -> Dataset:
    """The ``rollq.Dataset`` that a model's run describes.

    Args:
        recorder: of the model; its artifact ``dataset`` holds the kwargs and what the processors learned.
        config: ``{class, module_path, kwargs}``; its kwargs go before those of the run (a file that was moved, other
            segments). None: the dataset of the run's own task.
        components: further registered classes (the setting ``components``).

    Raises:
        ArtifactMissing, ArtifactCorrupted: the run does not hold what is needed; it says how to save it.
        TemplateError: the dataset cannot be built.
    """
    saved = saved_part(recorder, DATASET)
    wanted = config or saved_task(recorder).get(DATASET)
    if isinstance(saved, Dataset):  # saved by hand, with its class
        if wanted is None:
            return saved
        saved = saved.to_config()
    if wanted is None:
        raise _not_saved(recorder, DATASET)
    # What was fitted is in `saved` alone; where data lie, in `wanted`, which is newer.
    dataset: Dataset = build(with_kwargs(wanted, {**saved, **kwargs_of(wanted)}), DATASET, components)
    return dataset


def saved_task(recorder: MLflowRecorder) -> Mapping[str, Any]:
    """The definition of the task that a run was made for; empty if it was made by hand."""
    try:
        found: Mapping[str, Any] = recorder.load_object("task")
    except ArtifactMissing:
        return {}
    return found


def saved_part(recorder: MLflowRecorder, name: str) -> Any:
    """The model or the dataset that a run holds.

    Raises:
        ArtifactMissing: it holds none; it says what to save.
    """
    try:
        return recorder.load_object(name)
    except ArtifactMissing as error:
        raise _not_saved(recorder, name) from error


def _not_saved(recorder: MLflowRecorder, name: str) -> ArtifactMissing:
    return ArtifactMissing(
        f"The run {recorder.id} does not hold its {name}.",
        "What predicts later needs both: recorder.save_objects(**{'params.pkl': model, 'dataset': dataset}).",
    )
