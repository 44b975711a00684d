"""What stands in the brackets of a call, put to the parameters of its function."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from rollq.workers.expressions.functions.catalog import FUNCTIONS
from rollq.workers.expressions.functions.function import REQUIRED, Function, Kind, Parameter
from rollq.workers.expressions.nearest import nearest
from rollq.workers.expressions.node import Call, Column, Node, Number, Option, option_text
from rollq.workers.expressions.parsing.tokens import Misread
from rollq.workers.expressions.span import STEPS_MOST, Span

Tree = Callable[[ast.expr], Node]
Place = Callable[[ast.expr], int]
GROUPS, NUMBER = "groups", "number"


class Arguments:
    """Reads the arguments of calls.

    Args:
        tree: reads an expression.
        place: where in the text something stands.
        spans: the spans of the text, by the names that stand for them.
        columns: of the table; a mapping says their kinds.
    """

    def __init__(self, tree: Tree, place: Place, spans: Mapping[str, Span], columns: Collection[str] | None) -> None:
        kinds = columns.items() if isinstance(columns, Mapping) else ()
        self._numbers = {name for name, kind in kinds if isinstance(kind, str) and kind == NUMBER}
        self._tree = tree
        self._place = place
        self._spans = spans

    def call(self, function: Function, found: ast.Call) -> Call:
        """The call of a function.

        Raises:
            Misread: an argument is too many, missing, unknown, given twice, or of the wrong kind.
        """
        given = self._bound(function, found)
        trees: list[Node] = []
        options: list[tuple[str, Option]] = []
        for parameter in function.parameters:
            values = given.get(parameter.name, [])
            if not values and parameter.default is REQUIRED:
                raise Misread(
                    self._place(found), f"{function.name} needs {parameter.name!r}", f"Example: {function.example}"
                )
            if parameter.kind is Kind.FACTORS:
                groups, others = self._factors([self._tree(one) for one in values])
                trees += groups + others
                options.append((GROUPS, float(len(groups))))
            elif parameter.is_tree:
                trees.extend(self._tree(one) for one in values)
            elif values:
                options.append((parameter.name, self._option(function, parameter, values[0])))
            else:
                options.append((parameter.name, cast(Option, parameter.default)))
        if cause := function.check(dict(options)):
            raise Misread(self._place(found), cause, f"Example: {function.example}")
        return made(function, trees, options)

    def _bound(self, function: Function, found: ast.Call) -> dict[str, list[ast.expr]]:
        """The arguments by the names of their parameters."""
        given: dict[str, list[ast.expr]] = {}
        parameters = list(function.parameters)
        for position, argument in enumerate(found.args):
            if isinstance(argument, ast.Starred):
                raise Misread(self._place(argument), "a star is no part of the language")
            last = parameters[-1] if parameters else None
            open_ended = last is not None and last.kind is Kind.FACTORS
            if position >= len(parameters) and not open_ended:
                takes = f"{function.name} takes {len(parameters) or 'no'} arguments"
                raise Misread(self._place(argument), takes, f"Example: {function.example}")
            name = parameters[min(position, len(parameters) - 1)].name
            given.setdefault(name, []).append(argument)
        names = [parameter.name for parameter in parameters]
        for keyword in found.keywords:
            if keyword.arg is None or keyword.arg not in names:
                raise Misread(
                    self._place(keyword.value),
                    f"{function.name} has no {keyword.arg!r}",
                    nearest(str(keyword.arg), names),
                )
            if keyword.arg in given:
                raise Misread(self._place(keyword.value), f"{function.name} has {keyword.arg!r} twice")
            given[keyword.arg] = [keyword.value]
        return given

    def _factors(self, trees: Sequence[Node]) -> tuple[list[Node], list[Node]]:
        """Groups and other factors: a column is a group unless it is known to hold numbers."""
        groups: list[Node] = []
        others: list[Node] = []
        for one in trees:
            if isinstance(one, Call) and one.function == "group":
                groups.append(one)
            elif isinstance(one, Column) and one.name not in self._numbers:
                groups.append(made(FUNCTIONS["group"], [one]))
            else:
                others.append(one)
        return groups, others

    def _option(self, function: Function, parameter: Parameter, found: ast.expr) -> Option:
        """The value of an option, checked."""
        value = self._constant(found)
        fits = _fits(parameter, value)
        if isinstance(fits, _Wrong):
            cause = f"{parameter.name} of {function.name} is {parameter.kind.value}{fits.bounds}"
            raise Misread(self._place(found), cause, f"Example: {function.example}")
        return fits

    def _constant(self, found: ast.expr) -> object:
        """A constant: a number, a text, True, False, None, a span; something else if it is none."""
        if isinstance(found, ast.UnaryOp) and isinstance(found.op, ast.USub):
            value = self._constant(found.operand)
            if isinstance(value, Span):
                return -value
            return -value if isinstance(value, int | float) and not isinstance(value, bool) else found
        if isinstance(found, ast.Name) and found.id in self._spans:
            return self._spans[found.id]
        return found.value if isinstance(found, ast.Constant) else found


class _Wrong:
    """A value that does not fit, with the bounds that it should have."""

    def __init__(self, parameter: Parameter) -> None:
        least, most = parameter.least, parameter.most
        parts = [f" at least {Number(float(least)).text}"] if least is not None else []
        parts += [f" at most {Number(float(most)).text}"] if most is not None else []
        self.bounds = "," + " and".join(parts) if parts else ""


def _fits(parameter: Parameter, value: object) -> Option | _Wrong:
    """The value in the form that functions get; or that it does not fit."""
    wrong = _Wrong(parameter)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match parameter.kind:
        case Kind.FLAG:
            return value if isinstance(value, bool) else wrong
        case Kind.TEXT:
            return value if isinstance(value, str) else wrong
        case Kind.WINDOW | Kind.DISTANCE | Kind.STEPS | Kind.SHIFT | Kind.SPAN:
            return _span(parameter, value, wrong)
    if not is_number or not math.isfinite(float(str(value))):
        return wrong
    number = float(str(value))
    if parameter.kind is Kind.WHOLE and not number.is_integer():
        return wrong
    inside = (parameter.least is None or number >= parameter.least) and (
        parameter.most is None or number <= parameter.most
    )
    return number if inside else wrong


def _span(parameter: Parameter, value: object, wrong: _Wrong) -> Option | _Wrong:
    """A window or distance: whole steps, or a span."""
    least = parameter.least or (0 if parameter.kind is Kind.DISTANCE else 1)
    if parameter.kind is Kind.SPAN and not isinstance(value, Span):
        return wrong
    if isinstance(value, Span) and parameter.kind in (Kind.WINDOW, Kind.DISTANCE, Kind.SPAN):
        return value if value == value.forward and value else wrong
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    size = abs(value) if parameter.kind is Kind.SHIFT and isinstance(value, int) else value
    if not isinstance(value, int) or isinstance(value, bool) or not least <= cast(int, size) <= STEPS_MOST:
        return wrong
    return Span(steps=value)


SIGNS = {
    **{
        "add": "+",
        "subtract": "-",
        "multiply": "*",
        "divide": "/",
        "floor_divide": "//",
        "remainder": "%",
        "power": "**",
    },
    **{"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!=", "both": "and", "either": "or"},
}
PREFIXES = {"negative": "-", "negated": "not "}


def made(function: Function, trees: Sequence[Node], options: Sequence[tuple[str, Option]] = ()) -> Call:
    """A call with its canonical text: operators in brackets, options that have their default left out."""
    return Call(function.name, tuple(trees), tuple(options), _text(function, trees, dict(options)))


def _text(function: Function, trees: Sequence[Node], options: Mapping[str, Option]) -> str:
    """The canonical text of a call."""
    inner = [f"({one.text})" if _is_bracketed(one) else one.text for one in trees]
    if function.name in SIGNS:
        return f"{inner[0]} {SIGNS[function.name]} {inner[1]}"
    if function.name in PREFIXES:
        return f"{PREFIXES[function.name]}{inner[0]}"
    parts: list[str] = []
    rest = [one.text for one in trees]
    by_name = False  # behind an option that is left out, the others need their names
    for parameter in function.parameters:
        if parameter.kind is Kind.FACTORS:
            parts += rest
        elif parameter.is_tree:
            parts.append(rest.pop(0))
        elif options[parameter.name] == parameter.default:
            by_name = True
        else:
            text = option_text(options[parameter.name])
            named = by_name or parameter.default is not REQUIRED
            parts.append(f"{parameter.name}={text}" if named else text)
    return f"{function.name}({', '.join(parts)})"


def _is_bracketed(node: Node) -> bool:
    """Whether its text stands in brackets beside a sign."""
    if isinstance(node, Number):
        return node.value < 0
    return isinstance(node, Call) and (node.function in SIGNS or node.function in PREFIXES)
