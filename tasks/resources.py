"""Resources: what a task requests of a worker process, and what a process has available."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError
from rollq.tasks.mongo.records import Amount


@dataclass(frozen=True)
class Resources:
    """Processors, GPUs and gigabytes (10^9 bytes) of memory. 0: it does not matter."""

    cpu: Amount = 0.0
    gpu: Amount = 0.0
    mem_gb: Amount = 0.0

    @classmethod
    def of(cls, given: object) -> Resources:
        """The resources that a template or a caller requests.

        Raises:
            TemplateError: a name is unknown or a number is negative; the message names the key.
        """
        if given is None:
            return cls()
        if not isinstance(given, Mapping):
            raise TemplateError("it is a mapping.", "Write resources: {gpu: 1, mem_gb: 8}.", "resources")
        names = {field.name for field in fields(cls)}
        for name, value in given.items():
            key = f"resources.{name}"
            if name not in names:
                raise TemplateError(f"unknown resource {name!r}.", did_you_mean(str(name), names), key)
            if not _is_amount(value):
                raise TemplateError(f"{value!r} is no amount.", "Give a number, 0 or more.", key)
        return cls(**{name: float(value) for name, value in given.items() if isinstance(value, int | float)})

    def fit(self, available: Resources | None) -> bool:
        """Whether a process that has these resources can serve a task that requests them; None: it can serve all."""
        if available is None:
            return True
        return self.cpu <= available.cpu and self.gpu <= available.gpu and self.mem_gb <= available.mem_gb

    def to_dict(self) -> dict[str, float]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        """Only what is needed, as ``gpu 1, mem_gb 8``."""
        return ", ".join(f"{name} {value:g}" for name, value in asdict(self).items() if value) or "nothing special"


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
