"""Estimators by their dotted names: only BaseEstimators that an allowed package defines itself."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from rollq.tasks.components.registry import check_kwargs, did_you_mean
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ComponentError
from rollq.tasks.failures import Kind, described, kind_of

ESTIMATOR, PARAMS, NAME = "estimator", "params", "name"
KEYS = (ESTIMATOR, PARAMS, NAME)
SETTING = "Name it in the setting estimator_packages (ROLLQ_ESTIMATOR_PACKAGES), for workers too."
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
Values = npt.NDArray[np.float64]


class Estimator(Protocol):
    """What is used of an estimator."""

    def fit(self, features: pd.DataFrame, label: Values, **more: object) -> object:
        """Learn."""

    def predict(self, features: pd.DataFrame) -> npt.NDArray[np.generic]:
        """A value for each row."""

    def get_params(self, deep: bool = True) -> dict[str, object]:
        """Its arguments, and those of estimators in it."""

    def set_params(self, **params: object) -> object:
        """Change them."""


def made_estimator(config: object, seed: int, key: str) -> Estimator:
    """The estimator that a template names, with its seed and on one thread.

    Args:
        config: a dotted name, ``{estimator, params}``, or a list of such: the steps of a pipeline.
        seed: for every ``random_state`` that the template leaves open.
        key: where it stands, for messages.

    Raises:
        ComponentError: it is of no allowed package, no estimator, or refuses its parameters.
    """
    made = _made(config, key)
    if not callable(getattr(made, "predict", None)):
        raise ComponentError(f"{type(made).__name__} cannot predict.", "Name one with fit and predict.", key)
    params = made.get_params()
    for name, value in params.items():
        if name.rpartition("__")[2] == "n_jobs" and value not in (None, 1):
            raise ComponentError(f"{name} is set by rollq to 1.", "Leave it out.", key)
    seeds = {name: seed for name, value in params.items() if _last(name) == "random_state" and value is None}
    made.set_params(**seeds, **{name: 1 for name in params if _last(name) == "n_jobs"})
    return made


def estimator_class(path: object, key: str) -> type[Estimator]:
    """The class of a dotted name.

    Raises:
        ComponentError: its package is not allowed or not installed, or it is no estimator of it.
    """
    if not isinstance(path, str) or not DOTTED.fullmatch(path):
        raise ComponentError(f"{path!r} is no dotted name.", "Write sklearn.linear_model.ElasticNet.", key)
    package, allowed = path.partition(".")[0], current_settings().estimator_packages
    if package not in allowed:
        raise ComponentError(f"estimators of {package} are not allowed: {', '.join(allowed)}.", SETTING, key)
    module, _, name = path.rpartition(".")
    cls = _imported(module, name, key)
    if not is_theirs(cls, allowed):
        raise ComponentError(f"{path} is no class that {package} defines.", "Name it where it is defined.", key)
    from sklearn.base import BaseEstimator

    if not issubclass(cls, BaseEstimator) or not callable(getattr(cls, "fit", None)):
        raise ComponentError(f"{path} is no estimator.", "Name a class of scikit-learn's kind, with fit.", key)
    return cls


def is_theirs(found: object, allowed: Sequence[str]) -> bool:
    """Whether an allowed package defines it, and does not merely import it."""
    return str(getattr(found, "__module__", "")).partition(".")[0] in allowed and isinstance(found, type)


def packages_in(config: object) -> set[str]:
    """The packages of the estimators that are named, at whatever depth."""
    if isinstance(config, str):
        return {config.partition(".")[0]} if DOTTED.fullmatch(config) else set()
    if isinstance(config, Mapping):
        inner = config.values() if ESTIMATOR not in config else (config[ESTIMATOR], _nested(config.get(PARAMS)))
        return {name for one in inner for name in packages_in(one)}
    return {name for one in config for name in packages_in(one)} if isinstance(config, list | tuple) else set()


def _nested(params: object) -> list[object]:
    """What may name estimators in parameters: mappings and lists, but no plain text."""
    values = params.values() if isinstance(params, Mapping) else params if isinstance(params, list | tuple) else ()
    found: list[object] = []
    for value in values:
        if isinstance(value, Mapping) and ESTIMATOR in value:
            found.append(value)
        elif isinstance(value, Mapping | list | tuple):
            found += _nested(value)
    return found


def _made(config: object, key: str) -> Estimator:
    """What a name, a mapping or a list of steps stands for."""
    if isinstance(config, list | tuple):
        return _pipeline(config, key)
    if isinstance(config, Mapping):
        for name in config:
            if name not in KEYS:
                raise ComponentError(f"unknown key {name!r}.", did_you_mean(str(name), KEYS), f"{key}.{name}")
        if isinstance(inner := config.get(ESTIMATOR), list | tuple):
            return _pipeline(inner, key)
        return _instance(config.get(ESTIMATOR), config.get(PARAMS) or {}, key)
    return _instance(config, {}, key)


def _instance(path: object, params: object, key: str) -> Estimator:
    """One estimator; parameters that name estimators become those."""
    cls, place = estimator_class(path, key), f"{key}.{PARAMS}"
    if not isinstance(params, Mapping):
        raise ComponentError("it is no mapping.", "Write name: value pairs under it.", place)
    check_kwargs(cls, params, place)
    made = cls(**{str(name): _value(value, f"{place}.{name}") for name, value in params.items()})
    try:
        # It would do so in fit: a wrong value is found here and not in every window.
        if hasattr(cls, "_parameter_constraints"):
            getattr(made, "_validate_params", lambda: None)()
    except ValueError as error:
        raise ComponentError(f"{cls.__name__} refuses it: {error}", "Correct the value.", place) from error
    return made


def _value(value: object, key: str) -> object:
    if isinstance(value, Mapping):
        if ESTIMATOR in value:
            return _made(value, key)
        return {name: _value(one, f"{key}.{name}") for name, one in value.items()}
    return [_value(one, key) for one in value] if isinstance(value, list | tuple) else value


def _pipeline(steps: Sequence[object], key: str) -> Estimator:
    """The steps one after the other, named as scikit-learn names them, unless they say otherwise."""
    if not steps:
        raise ComponentError("a pipeline has steps.", "Name estimators.", key)
    made = [_made(step, f"{key}[{number}]") for number, step in enumerate(steps)]
    for number, step in enumerate(made[:-1]):
        if not callable(getattr(step, "transform", None)):
            what = f"{type(step).__name__} transforms nothing: it can only be the last step."
            raise ComponentError(what, "Put it last.", f"{key}[{number}]")
    given = [step.get(NAME) if isinstance(step, Mapping) else None for step in steps]
    names = [str(name or type(step).__name__.lower()) for name, step in zip(given, made, strict=True)]
    twice = {name for name, count in Counter(names).items() if count > 1}
    named = [f"{name}-{number}" if name in twice else name for number, name in enumerate(names, 1)]
    from sklearn.pipeline import Pipeline

    pipeline: Estimator = Pipeline(list(zip(named, made, strict=True)))
    return pipeline


def _imported(module: str, name: str, key: str) -> type[Estimator]:
    """A class of a module; whatever goes wrong is told with the place in the template."""
    try:
        place = importlib.import_module(module)
    except BaseException as error:
        if kind_of(error) is Kind.STOP:
            raise
        package = module.partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            fix = f"Install it, for workers too: pip install {package}."
            raise ComponentError(f"the package {package} is not installed.", fix, key) from error
        raise ComponentError(f"{module} cannot be imported: {described(error)}.", "Correct the name.", key) from error
    found: type[Estimator] | None = getattr(place, name, None)
    if found is None:
        close = get_close_matches(name, dir(place), n=1)
        fix = f"Did you mean {close[0]!r}?" if close else "Correct the name."
        raise ComponentError(f"{module} has no {name!r}.", fix, key)
    return found


def _last(name: str) -> str:
    return name.rpartition("__")[2]
