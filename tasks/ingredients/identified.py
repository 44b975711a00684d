"""Definitions that a person wrote, or a generator cut, with what they are made of: as windows of a template have it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.definition import DATASET, SEGMENTS, Definition, with_dataset_kwargs
from rollq.tasks.identity import IDENTITY, canonical
from rollq.tasks.ingredients.ingredients import Ingredients


def identified(definitions: Iterable[Mapping[str, object]], extra: tuple[str, ...] = ()) -> list[Definition]:
    """Definitions with their ``identity``; one that has it already stays as it is.

    So a task whose data or code have changed since is another task. What windows share is found once.

    Args:
        extra: further registered classes (the setting ``components``).

    Raises:
        TemplateError: a definition has no JSON form.
        ComponentError: a class is not registered, or does not take its keywords.
        DataError: the data of one cannot be read.
    """
    known: dict[str, Ingredients] = {}
    made = []
    for definition in definitions:
        plain: Definition = canonical(definition)
        if IDENTITY not in plain:
            shared = json.dumps(with_dataset_kwargs(plain, **{SEGMENTS: None}), sort_keys=True)
            if shared not in known:
                known[shared] = _ingredients(plain, extra)
            plain = known[shared].added_to(plain)
        made.append(plain)
    return made


def _ingredients(definition: Definition, extra: tuple[str, ...]) -> Ingredients:
    dataset: Dataset = build(definition.get(DATASET), DATASET, extra)
    return Ingredients(definition, dataset, [f"{day:%Y-%m-%d}" for day in dataset.sessions], extra)
