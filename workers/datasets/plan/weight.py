"""Weights of rows: a column or an expression that looks at no later row, their age, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.expression import parse

KEY = "dataset.kwargs.weight"
KEYS = ("by", "age")


@dataclass(frozen=True)
class Weight:
    """``text``: an expression; ``half_life``: in sessions. Where both are given, they are multiplied."""

    text: str | None = None
    half_life: float | None = None

    def of_age(
        self, session_of: npt.NDArray[np.integer], last: int, weight: npt.NDArray[np.float32] | None
    ) -> npt.NDArray[np.float32]:
        """The weights of rows: 2^(-age / half-life), times what they have.

        Args:
            session_of: the position of each row's session.
            last: the position of the last session of train; rows after it have age 0.
            weight: by the expression.
        """
        found = np.ones(len(session_of), np.float32) if weight is None else np.array(weight, np.float32)
        if self.half_life is not None:
            age = np.maximum(last - session_of.astype(np.float64), 0)
            found *= np.exp2(-age / self.half_life).astype(np.float32)
        return found


def read_weight(spec: object, key: str = KEY) -> Weight | None:
    """The weight that a template describes.

    Raises:
        TemplateError: it is no expression and no mapping of ``by`` and ``age``.
    """
    if spec is None:
        return None
    if isinstance(spec, str):
        parse(spec, columns=None, lead=None, key=key)
        return Weight(spec)
    if not isinstance(spec, Mapping) or not spec:
        raise TemplateError("it is a column, an expression or an age.", "Write turnover, or {age: 250}.", key)
    for name in spec:
        if name not in KEYS:
            raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), KEYS), f"{key}.{name}")
    text, age = spec.get("by"), spec.get("age")
    if text is not None:
        if not isinstance(text, str):
            raise TemplateError(f"{text!r} is no expression.", "Write it as text.", f"{key}.by")
        parse(text, columns=None, lead=None, key=f"{key}.by")
    if age is not None and (isinstance(age, bool) or not isinstance(age, int | float) or not 0 < age < np.inf):
        raise TemplateError(f"{age!r} is no half-life.", "Use a number of sessions above 0.", f"{key}.age")
    return Weight(text, None if age is None else float(age))
