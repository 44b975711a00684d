"""From the name of an estimator to the class of rollq that stands for it (entry-point group ``rollq.adapters``)."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import ClassVar

from rollq.tasks.errors import ComponentError
from rollq.workers.models.learning.packages import need_package
from rollq.workers.models.scikit.estimators import estimator_class, packages_in
from rollq.workers.models.sklearn import SklearnModel

NOT_MODELS = ("dataset", "record", "rolling")


class NamedEstimator(SklearnModel):
    """An estimator that a template names as the class of its model.

    Args:
        fill, seed: as of ``SklearnModel``.
        params: the estimator's own.
    """

    wraps: ClassVar[type[object]]

    def __init__(self, fill: object = None, seed: int = 7, **params: object) -> None:
        super().__init__(f"{self.wraps.__module__}.{self.wraps.__qualname__}", params, fill, seed)

    @classmethod
    def named_packages(cls, kwargs: Mapping[str, object]) -> Iterable[str]:
        """Its own, and those of estimators in it."""
        return packages_in({"estimator": cls.wraps.__module__, "params": kwargs})


def adapt(name: str, module: str, key: str) -> type[NamedEstimator]:
    """The class of rollq that stands for an estimator of scikit-learn.

    Args:
        name, module: as a template names it.
        key: where in the template, for messages.

    Raises:
        ComponentError: there is no such estimator, or scikit-learn is not installed.
    """
    need_package("sklearn", "sklearn", f"{module}.{name}")
    if key.rpartition(".")[2].startswith(NOT_MODELS):
        raise ComponentError(
            f"{module}.{name} is an estimator: it can only be a model.", "Name another.", f"{key}.class"
        )
    cls = estimator_class(f"{module}.{name}", f"{key}.class")
    if cls not in _made:
        _made[cls] = _named(cls)
    return _made[cls]


_made: dict[type[object], type[NamedEstimator]] = {}


def _named(cls: type[object]) -> type[NamedEstimator]:
    """A class of its own for an estimator, with the estimator's keywords, so that a misspelt one is named."""
    ours = [one for name, one in inspect.signature(NamedEstimator).parameters.items() if name != "params"]
    theirs = list(inspect.signature(cls).parameters.values())
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*theirs, *ours)]
    content = {"wraps": cls, "__signature__": inspect.Signature(keywords), "__module__": SklearnModel.__module__}
    return type(cls.__name__, (NamedEstimator,), {**content, "__doc__": cls.__doc__})
