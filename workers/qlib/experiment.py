"""What Qlib's ``R`` is while a model of Qlib is trained here: it keeps metrics, and makes no run of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class _Manager:
    """Of experiments: none runs."""

    active_experiment = None


class Keeper:
    """Stands where Qlib's recorder does. What a model logs is kept by step; everything else is not wanted.

    Args:
        found: metrics by name, in the order of their steps.
    """

    def __init__(self, found: dict[str, list[float]]) -> None:
        self.exp_manager = _Manager()
        self._found = found

    def log_metrics(self, step: int | None = None, **metrics: float) -> None:
        """Keep metrics."""
        for name, value in metrics.items():
            self._found[name].append(float(value))

    def get_recorder(self, **_: object) -> Keeper:
        """The recorder of the experiment: this one."""
        return self

    def __getattr__(self, name: str) -> object:
        """Whatever else a model may call: it does nothing."""
        return lambda *args, **kwargs: None


@contextlib.contextmanager
def logging_to(found: dict[str, list[float]]) -> Iterator[None]:
    """Inside, Qlib's ``R`` keeps metrics in ``found``; an experiment that the user has begun stays as it is."""
    from qlib.workflow import R

    before = R._provider
    R._provider = Keeper(found)
    try:
        yield
    finally:
        R._provider = before
