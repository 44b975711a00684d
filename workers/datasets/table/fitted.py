"""What a window learned from its train segment: the processors' state, and the categories that it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from rollq.tasks.errors import TemplateError
from rollq.workers.datasets import processors as processing
from rollq.workers.datasets.panel_cache import Panel
from rollq.workers.datasets.table.categories import Known, continued, known_in, recoded

Matrix = npt.NDArray[np.float32]
Rows = slice | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """``processors``: the state of each; ``categories``: by feature, those that train has, with their codes."""

    processors: Sequence[processing.State] = ()
    categories: Mapping[str, Known] = field(default_factory=dict)

    @classmethod
    def learned(
        cls,
        panel: Panel,
        rows: Rows,
        specs: Sequence[Mapping[str, object]],
        names: Sequence[str],
        before: Fitted | None = None,
    ) -> Self:
        """From the rows of train.

        Args:
            specs: of the processors.
            names: of the features.
            before: of the window whose model is the start of this one's: its codes stay what they are.
        """
        times = panel.time_of[rows]
        known = {
            name: continued(
                known_in(np.asarray(panel.features[rows, names.index(name)]), levels, times),
                before.categories.get(name, ()) if before else (),
            )
            for name, levels in panel.levels.items()
        }
        if not specs:
            return cls((), known)
        # Of the window's own codes, so that what is learned depends on nothing that it does not see.
        features = cls((), known).with_codes(np.asarray(panel.features[rows]), panel, rows, names)
        return cls(processing.fit(specs, features), known)

    def to_config(self) -> dict[str, object]:
        """JSON-able; ``check_fitted`` reads it. Empty if there is nothing to learn."""
        categories = {name: [[level, code] for level, code in known] for name, known in self.categories.items()}
        found: dict[str, object] = {"processors": list(self.processors)} if self.processors else {}
        return {**found, **({"categories": categories} if categories else {})}

    def with_codes(self, features: Matrix, panel: Panel, rows: Rows, names: Sequence[str]) -> Matrix:
        """The features with the codes by which train knows the categories; a copy only where one is another."""
        for name, levels in panel.levels.items():
            place = names.index(name)
            codes = np.asarray(panel.features[rows, place])
            known = recoded(codes, levels, self.categories.get(name, ()))
            if not np.array_equal(known, features[:, place], equal_nan=True):
                if not features.flags.writeable or features.base is not None:
                    features = np.array(features)
                features[:, place] = known
        return features


def codes_of(config: Mapping[str, object]) -> Fitted | None:
    """What a dataset's ``to_config`` says of its categories alone."""
    fitted = config.get("fitted")
    return check_fitted({"categories": fitted.get("categories", {})}, 0) if isinstance(fitted, Mapping) else None


def check_fitted(fitted: object, processors: int) -> Fitted | None:
    """What was learned before, if it belongs to so many processors.

    Raises:
        TemplateError: it does not.
    """
    if fitted is None:
        return None
    found: Mapping[str, object] = fitted if isinstance(fitted, Mapping) else {}
    states, categories = found.get("processors", []), found.get("categories", {})
    if not isinstance(states, Sequence) or len(states) != processors or not isinstance(categories, Mapping):
        key = "dataset.kwargs.fitted"
        raise TemplateError("it does not fit these processors and features.", "Leave it out: it is learned.", key)
    known = {str(name): [(level, int(code)) for level, code in pairs] for name, pairs in categories.items()}
    return Fitted([dict(state) for state in states], known)
