"""The label of a table: an expression that may look ahead, an op, or a column whose look-ahead is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollq.tasks.components.dataset import LABEL_KINDS
from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError
from rollq.workers.expressions.expression import LABEL, Expression, parse
from rollq.workers.expressions.span import Span

KEY = "dataset.kwargs.label"
OPS = {"forward_return": {"horizon": 5, "start": 1}, "realized_volatility": {"horizon": 5}}
COMMON = ("kind", "quantiles", "residual")
FORMS = {
    "expression": ("expression", *COMMON),
    "column": ("column", "lookahead", *COMMON),
    "op": ("op", "price", "horizon", "start", *COMMON),
}


@dataclass(frozen=True)
class TableLabel:
    """What is to be predicted.

    Args:
        text: the expression.
        kind: one of ``LABEL_KINDS``; None: as the columns that it uses say.
        classes: so many of equal size at each time, from 0; None: the value itself.
        against: what is subtracted: an expression; or ``instrument``, whose label is subtracted.
        column: the column, and ``declared`` how far it looks ahead, where it was made elsewhere.
    """

    text: str
    kind: str | None = None
    classes: int | None = None
    against: str | None = None
    column: str | None = None
    declared: Span = field(default_factory=Span)
    key: str = KEY

    def kind_by(self, price: str | None, expression: Expression) -> str:
        """The kind of the label: a change of a price is a return, and what is true or false is binary.

        Args:
            price: the column of prices, if there is one.
            expression: of the label.
        """
        if self.kind is not None:
            return self.kind
        if expression.is_condition:
            return "binary"
        return "return" if price is not None and price in expression.columns else "value"


def read_label(spec: object, key: str = KEY) -> TableLabel:
    """The label that a template describes.

    Raises:
        TemplateError: a key is unknown, or a value cannot be used.
    """
    if isinstance(spec, str):
        parse(spec, columns=None, lead=LABEL, key=key)
        return TableLabel(spec, key=key)
    if not isinstance(spec, Mapping):
        raise TemplateError("the label is an expression, or a mapping.", "Write lead(close, 5) / close - 1.", key)
    form = next((name for name in FORMS if name in spec), None)
    if form is None:
        raise TemplateError("it says nothing of what is predicted.", "Give expression, column or op.", key)
    for name in spec:
        if name not in FORMS[form]:
            raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), FORMS[form]), f"{key}.{name}")
    text, kind, declared = _FORMS[form](spec, key)
    classes = _classes(spec.get("quantiles"), f"{key}.quantiles")
    if classes is not None:
        kind = "class"
    column = str(spec["column"]) if form == "column" else None
    given = _kind(spec.get("kind"), f"{key}.kind")
    return TableLabel(text, given or kind, classes, _against(spec.get("residual"), key), column, declared, key)


Read = tuple[str, str | None, Span]


def _of_expression(spec: Mapping[str, object], key: str) -> Read:
    text = spec["expression"]
    if not isinstance(text, str):
        raise TemplateError(f"{text!r} is no expression.", "Write it as text.", f"{key}.expression")
    parse(text, columns=None, lead=LABEL, key=f"{key}.expression")
    return text, None, Span()


def _of_column(spec: Mapping[str, object], key: str) -> Read:
    """A column that was made elsewhere, and how far it says that it looks ahead."""
    column = spec["column"]
    if not isinstance(column, str) or not column:
        raise TemplateError(f"{column!r} is no column.", "Name one.", f"{key}.column")
    if "lookahead" not in spec:
        fix = "Say how many rows later its value is known: lookahead: 5; 0 for what is known with the row."
        raise TemplateError(f"nothing says how far {column} looks ahead.", fix, f"{key}.lookahead")
    return f"`{column}`", None, read_span(spec["lookahead"], f"{key}.lookahead")


def _of_op(spec: Mapping[str, object], key: str) -> Read:
    """The expression that an op stands for, and its kind."""
    op = spec["op"]
    if not isinstance(op, str) or op not in OPS:
        raise TemplateError(f"the label {op!r} is unknown.", did_you_mean(str(op), OPS), f"{key}.op")
    if "start" in spec and "start" not in OPS[op]:
        raise TemplateError("unknown key 'start'.", f"{op} has a horizon alone.", f"{key}.start")
    price = spec.get("price", "close")
    if not isinstance(price, str):
        raise TemplateError(f"{price!r} is no column.", "Name one.", f"{key}.price")
    column, written = f"`{price}`", spec.get("horizon", OPS[op]["horizon"])
    horizon = read_span(written, f"{key}.horizon")
    if op == "realized_volatility":
        if not horizon.is_steps or horizon.steps < 2:
            raise TemplateError(f"{written!r} is not possible.", "Use at least 2.", f"{key}.horizon")
        return f"lead(volatility({column}, {horizon}), {horizon})", "value", Span()
    if not horizon:
        raise TemplateError(f"{written!r} is not possible.", "Use at least 1.", f"{key}.horizon")
    start = read_span(spec.get("start", OPS[op]["start"]), f"{key}.start")
    begin = f"lead({column}, {start})" if start else column
    if start and start.is_steps and horizon.is_steps:
        end = f"lead({column}, {start + horizon})"
    else:
        end = f"lead({begin}, {horizon})"
    return f"{end} / {begin} - 1", "return", Span()


_FORMS = {"expression": _of_expression, "column": _of_column, "op": _of_op}


def read_span(value: object, key: str) -> Span:
    """A number of rows, or a span such as ``24h``, that is not negative.

    Raises:
        TemplateError: it is none.
    """
    if isinstance(value, list | tuple):
        raise TemplateError("several are for a template.", "Give one here.", key)
    try:
        if isinstance(value, int | str) and not (isinstance(value, int) and value < 0):
            return Span.of(value)
    except ValueError as error:
        cause = f"{error}"
    else:
        cause = f"{value!r} is not possible."
    raise TemplateError(cause, "Use a whole number of at least 0, or a span such as 24h.", key)


def _kind(value: object, key: str) -> str | None:
    if value is not None and value not in LABEL_KINDS:
        raise TemplateError(f"the kind {value!r} is unknown.", did_you_mean(str(value), LABEL_KINDS), key)
    return None if value is None else str(value)


def _classes(value: object, key: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= 100:
        raise TemplateError(f"{value!r} classes are not possible.", "Use a whole number from 2 to 100.", key)
    return value


def _against(spec: object, key: str) -> str | None:
    """What ``residual`` subtracts."""
    if spec is None:
        return None
    where = f"{key}.residual"
    if not isinstance(spec, Mapping) or set(spec) != {"to"} or not isinstance(spec["to"], str):
        raise TemplateError("it says what is subtracted.", "Write residual: {to: SPY}.", where)
    return spec["to"]
