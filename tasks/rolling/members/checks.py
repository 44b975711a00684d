"""Where a template cannot have one model for each value of a column, or for each horizon."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from rollq.tasks.components.registry import resolve
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import DATASET, ONLY, Definition, class_of
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.members.per import KEY, Per


def check_members(
    definition: Definition,
    per: Per | None,
    horizons: Sequence[object],
    challengers: Sequence[object],
    settings: Settings,
) -> None:
    """Whether the parts of a template can have several models, if there are to be several.

    Raises:
        TemplateError: they cannot; the message names the key.
    """
    dataset = definition[DATASET]
    if per and ONLY not in inspect.signature(resolve(dataset, DATASET, settings.components)).parameters:
        fix = "Use TableDataset, or give your dataset the keyword only: {column: value}, and groups(column)."
        raise TemplateError(f"a {class_of(dataset)} cannot be reduced to the rows of one value.", fix, KEY)
    if challengers and (per or horizons):
        what = f"one model per {per.column}" if per else "several horizons"
        fix = "Leave challengers out; compare with another template: `rollq enqueue --research`."
        raise TemplateError(f"a template with {what} has no challengers.", fix, "online.challengers")
