"""Several horizons of one label: ``label: {op: forward_return, horizon: [1, 5, 20]}``; or spans: ``[24h, 48h]``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rollq.tasks.definition import DATASET, KWARGS, Definition, dataset_kwargs, with_dataset_kwargs
from rollq.tasks.errors import TemplateError

LABEL, HORIZON, HORIZONS = "label", "horizon", "horizons"
SPAN = re.compile(r"[1-9][0-9]*\s*[A-Za-z]+")
KEY = f"{DATASET}.{KWARGS}.{LABEL}"


Horizon = int | str  # sessions, or a span; whether it is one, the dataset knows


def horizons_of(definition: Mapping[str, object]) -> tuple[Horizon, ...]:
    """The horizons that the label of a template has; empty if it has one, or none.

    Raises:
        TemplateError: they are no whole numbers above 0 and no spans, or one of them is there twice.
    """
    label = dataset_kwargs(definition).get(LABEL)
    if not isinstance(label, Mapping):
        return ()
    name = HORIZONS if HORIZONS in label else HORIZON
    written, key = label.get(name), f"{KEY}.{name}"
    if HORIZONS in label and HORIZON in label:
        raise TemplateError("there is a horizon beside it.", "Leave one of the two out.", key)
    if not isinstance(written, list | tuple):
        if name == HORIZONS:
            raise TemplateError(f"{written!r} is no list.", "Write horizons: [1, 5, 20].", key)
        return ()
    for one in written:
        if not (isinstance(one, str) and SPAN.fullmatch(one)) and (
            isinstance(one, bool) or not isinstance(one, int) or one < 1
        ):
            raise TemplateError(f"{one!r} is no horizon.", "Use whole numbers from 1 on, or spans such as 24h.", key)
    if not written or len(set(map(str, written))) < len(written):
        raise TemplateError("it is empty, or has one twice.", "Write each horizon once, such as [1, 5, 20].", key)
    return tuple(written)


def with_horizon(definition: Definition, horizon: Horizon) -> Definition:
    """A copy of a definition whose label has one horizon."""
    label = dataset_kwargs(definition)[LABEL]
    kept = {name: value for name, value in dict(label).items() if name != HORIZONS}  # type: ignore[call-overload]
    return with_dataset_kwargs(definition, **{LABEL: {**kept, HORIZON: horizon}})
