"""The dataset of a trained model, on the data of today and with what its processors learned from its train segment."""

from __future__ import annotations

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.definition import DATASET, Component, kwargs_of, with_kwargs
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
        ArtifactMissing, ArtifactCorrupted: the run does not hold what is needed.
        TemplateError: the dataset cannot be built.
    """
    wanted = config if config is not None else recorder.load_object("task")[DATASET]
    saved = recorder.load_object(DATASET)
    # What was fitted is in `saved` alone; where data lie, in `wanted`, which is newer.
    dataset: Dataset = build(with_kwargs(wanted, {**saved, **kwargs_of(wanted)}), DATASET, components)
    return dataset
