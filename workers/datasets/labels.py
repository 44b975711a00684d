"""Labels: what a model shall predict. Each says how many sessions it looks ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError
from rollq.workers.datasets.features import applied
from rollq.workers.expressions.kernels.price_features import volatility

DEFAULTS = {"forward_return": {"horizon": 5, "start": 1}, "realized_volatility": {"horizon": 5}}


@dataclass(frozen=True)
class Label:
    """A label: its op, sessions ``horizon`` and ``start``."""

    op: str
    horizon: int
    start: int = 0

    @property
    def lookahead(self) -> int:
        """Sessions after t whose close the label of t uses."""
        return self.start + self.horizon

    def compute(self, close: pd.DataFrame) -> pd.DataFrame:
        """Wide frame (sessions x instruments) of labels.

        ``forward_return``: close[t + start + horizon] / close[t + start] - 1.
        ``realized_volatility``: sample standard deviation of the log returns of t + 1 to t + horizon; not annualised.
        """
        if self.op == "forward_return":
            return close.shift(-self.lookahead) / close.shift(-self.start) - 1
        return applied(volatility, close, self.horizon).shift(-self.horizon)


def check_label(spec: object, key: str = "dataset.kwargs.label") -> Label:
    """The label that a template describes.

    Raises:
        TemplateError: a key or op is unknown, or a number is out of range.
    """
    if not isinstance(spec, Mapping):
        raise TemplateError("the label is a mapping.", "Write {op: forward_return, horizon: 5, start: 1}.", key)
    op = spec.get("op")
    if not isinstance(op, str) or op not in DEFAULTS:
        raise TemplateError(f"the label {op!r} is unknown.", did_you_mean(str(op), DEFAULTS), f"{key}.op")
    options = {name: value for name, value in spec.items() if name != "op"}
    for name, value in options.items():
        if name not in DEFAULTS[op]:
            raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), DEFAULTS[op]), f"{key}.{name}")
        least = 0 if name == "start" else 2 if op == "realized_volatility" else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise TemplateError(f"{value!r} sessions are not possible.", f"Use at least {least}.", f"{key}.{name}")
    return Label(str(op), **{**DEFAULTS[op], **options})
