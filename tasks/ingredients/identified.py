"""Definitions that a person wrote, or a generator cut, with what they are made of: as windows of a template have it."""

from __future__ import annotations

import json
import logging
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build
from rollq.tasks.definition import DATASET, SEGMENTS, TEST, Definition, segments_of, with_dataset_kwargs
from rollq.tasks.identity import IDENTITY, canonical
from rollq.tasks.ingredients.ingredients import Ingredients
from rollq.tasks.ingredients.seen import sessions_of

log = logging.getLogger(__name__)


class _Shared(NamedTuple):
    """What definitions have in common that differ in their segments only."""

    lookahead: int  # sessions that the label looks ahead
    sessions: list[str]  # YYYY-MM-DD
    ingredients: Ingredients


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
    known: dict[str, _Shared] = {}
    made: list[Definition] = []
    leaking: dict[int, int] = {}  # how many tasks, by how far their label looks ahead
    for definition in definitions:
        plain: Definition = canonical(definition)
        if IDENTITY not in plain:
            shared = json.dumps(with_dataset_kwargs(plain, **{SEGMENTS: None}), sort_keys=True)
            if shared not in known:
                known[shared] = _shared(plain, extra)
            lookahead, sessions, ingredients = known[shared]
            if _leaks(plain, sessions, lookahead):
                leaking[lookahead] = leaking.get(lookahead, 0) + 1
            plain = ingredients.added_to(plain)
        made.append(plain)
    for ahead, number in leaking.items():
        # Named and not refused: Qlib's own tasks are like that, and these are not put online.
        log.warning(
            "%s tasks learn from labels that look into their test segment: the label looks %s sessions ahead. "
            "Give RollingGen trunc_days=%s, or end their train and valid segments earlier.",
            *(number, ahead, ahead + 1),
        )
    return made


def _shared(definition: Definition, extra: tuple[str, ...]) -> _Shared:
    dataset: Dataset = build(definition.get(DATASET), DATASET, extra)
    sessions = sessions_of(dataset)
    return _Shared(dataset.label_lookahead, sessions, Ingredients(definition, dataset, sessions, extra))


def _leaks(definition: Definition, sessions: Sequence[str], lookahead: int) -> bool:
    """Whether a label of another segment is made from prices of the test segment.

    The label of session t is made from prices up to session t + ``lookahead``.
    """
    segments = segments_of(definition)
    start = segments.get(TEST, (None, None))[0]
    if start is None:
        return False
    first = bisect_left(sessions, str(start)[:10])
    ends = [bisect_right(sessions, str(end)[:10]) - 1 for name, (_, end) in segments.items() if name != TEST and end]
    return any(last < first <= last + lookahead for last in ends)
