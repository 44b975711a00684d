"""Chains of windows: with a warm start each begins from the model of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from rollq.tasks.components.registry import resolve
from rollq.tasks.definition import CHAIN, MODEL, Definition
from rollq.tasks.identity import task_id, task_key
from rollq.tasks.rolling.template import WARM


def chained(pool: str, windows: Sequence[Definition], earlier: str | None) -> tuple[Definition, ...]:
    """Each window begins from the model of the one before; which one that is belongs to what the task is.

    Args:
        pool: of their tasks.
        earlier: the task that the first of them begins from; None: it is trained from scratch.
    """
    made: list[Definition] = []
    for window in windows:
        one = deepcopy(window)
        if earlier:
            one[CHAIN] = {"pool": pool, "task": earlier}
        # The id of a task is known before it is created, because it is made of what the task is.
        earlier = task_id(pool, task_key(one))
        made.append(one)
    return tuple(made)


def warm_starts(windows: Sequence[Definition], components: tuple[str, ...]) -> bool:
    """Whether the model of some windows can start from another one; one that cannot is trained from scratch."""
    models = [resolve(window[MODEL], MODEL, components) for window in windows[:1]]
    return any(getattr(cls, WARM, False) for cls in models)
