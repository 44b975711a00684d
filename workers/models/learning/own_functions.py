"""Losses and metrics of one's own: registered classes, named in the template.

A loss is called with ``(prediction, label, weight)`` and returns the gradient and the second derivative of the loss by
the prediction, each with the form of ``prediction``; a metric returns a number, and ``higher_is_better`` says in which
direction. ``prediction`` is what the trees say, before any transformation; ``weight`` is None where there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rollq.tasks.components.registry import build, is_registered
from rollq.tasks.config.settings import current_settings
from rollq.tasks.definition import CLASS, class_of, component
from rollq.tasks.errors import ComponentError, PermanentError

Values = npt.NDArray[np.float64]
KEY = "model.kwargs"
Function = Callable[[Values, Values, Values | None], object]


def is_own(value: object) -> bool:
    """Whether a loss or metric is a component, or the name of a registered class."""
    if isinstance(value, Mapping):
        return CLASS in value
    return isinstance(value, str) and is_registered(value, current_settings().components)


def as_component(value: object) -> Mapping[str, object]:
    """The component that a template names, or the one of a registered name."""
    return value if isinstance(value, Mapping) else component(str(value))


def own_metrics(metric: object) -> list[Mapping[str, object]]:
    """Those of the metrics that are one's own."""
    return [as_component(one) for one in metrics_of(metric) if is_own(one)]


def metrics_of(metric: object) -> list[object]:
    """Metrics as a list: a template may name one alone, several with commas, or a list."""
    if metric is None:
        return []
    if isinstance(metric, str):
        return list(metric.split(","))
    return list(metric) if isinstance(metric, list | tuple) else [metric]


def inner(kwargs: Mapping[str, object]) -> dict[str, object]:
    """The components that keywords name as loss or metric, by the keyword."""
    found: dict[str, object] = {}
    for name in ("loss", "objective"):
        if is_own(value := kwargs.get(name)):
            found[name] = as_component(value)
    for number, one in enumerate(own_metrics(kwargs.get("metric"))):
        found[f"metric[{number}]"] = one
    return found


def made_loss(config: object) -> Loss:
    """The loss that a template names.

    Raises:
        ComponentError: its class is not registered, refuses its kwargs, or cannot be called.
    """
    name, made = _made(config, f"{KEY}.loss")
    return Loss(name, made)


def made_metrics(metric: object) -> list[Metric]:
    """The metrics of one's own.

    Raises:
        ComponentError: as ``made_loss``.
    """
    made = [_made(config, f"{KEY}.metric") for config in own_metrics(metric)]
    return [Metric(name, found, bool(getattr(found, "higher_is_better", False))) for name, found in made]


@dataclass(frozen=True)
class Loss:
    """A loss of one's own that looks at what it returns."""

    name: str
    function: Function

    def derivatives(self, prediction: Values, label: Values, weight: Values | None) -> tuple[Values, Values]:
        """Gradient and second derivative of each row.

        Raises:
            PermanentError: it returned something else.
        """
        found = self.function(prediction, label, weight)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise self._wrong(f"a {type(found).__name__}")
        gradient, second = (np.asarray(part, np.float64) for part in found)
        if gradient.shape != prediction.shape or second.shape != prediction.shape:
            raise self._wrong(f"arrays of {gradient.shape} and {second.shape}")
        if not (np.isfinite(gradient).all() and np.isfinite(second).all()):
            raise self._wrong("values that are NaN or infinite")
        return gradient, second

    def _wrong(self, what: str) -> PermanentError:
        fix = "Return (gradient, second derivative), two arrays with the form of prediction."
        return PermanentError(f"The loss {self.name} returned {what}.", fix)


@dataclass(frozen=True)
class Metric:
    """A metric of one's own that looks at what it returns."""

    name: str
    function: Function
    higher_is_better: bool

    def value(self, prediction: Values, label: Values, weight: Values | None) -> float:
        """Of these rows.

        Raises:
            PermanentError: it returned no number.
        """
        found = self.function(prediction, label, weight)
        if isinstance(found, bool) or not isinstance(found, int | float | np.floating | np.integer):
            raise PermanentError(f"The metric {self.name} returned a {type(found).__name__}.", "Return a number.")
        return float(found)


def _made(config: object, key: str) -> tuple[str, Function]:
    named = as_component(config)
    made = build(named, key, current_settings().components)
    name = str(class_of(named)).rpartition(".")[2]
    if not callable(made):
        raise ComponentError(f"a {name} cannot be called.", "Give it __call__(prediction, label, weight).", key)
    function: Function = made
    return name, function
