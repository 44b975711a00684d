"""What a label is measured against: the label of a benchmark."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rollq.workers.datasets.plan.label import TableLabel
from rollq.workers.expressions.expression import LABEL, Expression, parse


def against(label: TableLabel, expression: Expression, columns: Mapping[str, str]) -> Expression | str | None:
    """What is subtracted from a label.

    A column that stands for the one column of the label, such as the level of an index for the price, gives its own
    label; another one is subtracted as it is. What is neither a column nor an expression is an instrument.

    Raises:
        TemplateError: an expression cannot be read.
    """
    to = label.against
    if to is None:
        return None
    key = f"{label.key}.residual.to"
    if to in columns:
        own = expression.columns
        stands_for_it = len(own) == 1 and label.column is None
        text = _replaced(expression.text, own[0], to) if stands_for_it else f"`{to}`"
        return parse(text, columns=columns, lead=LABEL, key=key)
    if any(mark in to for mark in "(`$"):
        return parse(to, columns=columns, lead=LABEL, key=key)
    return to


def _replaced(text: str, column: str, other: str) -> str:
    """A canonical text with another column in the place of one: whole names alone, in backticks or not."""
    name = re.escape(column)
    return re.sub(rf"`{name}`|(?<![\w`$.]){name}(?![\w`(])", lambda _: f"`{other}`", text)
