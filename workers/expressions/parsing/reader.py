"""From a text to a tree, by Python's ``ast`` and a closed list of what may stand in it. Nothing is ever evaluated."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Mapping

from rollq.workers.expressions.functions.calendar import TOPIC as CALENDAR
from rollq.workers.expressions.functions.catalog import FUNCTIONS, function_of
from rollq.workers.expressions.functions.function import here
from rollq.workers.expressions.functions.own import own_names
from rollq.workers.expressions.nearest import nearest
from rollq.workers.expressions.node import Call, Column, Node, Number
from rollq.workers.expressions.parsing.arguments import Arguments, made
from rollq.workers.expressions.parsing.ranks import is_beyond
from rollq.workers.expressions.parsing.tokens import PREFIX, Misread, Tokens, read_tokens
from rollq.workers.expressions.span import Span

LONGEST, DEEPEST = 5_000, 100  # characters of a text, levels of its tree
BINARY: Mapping[type[ast.operator], str] = {
    **{ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"},
    **{ast.FloorDiv: "floor_divide", ast.Mod: "remainder", ast.Pow: "power"},
    **{ast.BitAnd: "both", ast.BitOr: "either"},
}
COMPARISONS: Mapping[type[ast.cmpop], str] = {
    **{ast.Gt: "gt", ast.GtE: "ge", ast.Lt: "lt", ast.LtE: "le", ast.Eq: "eq", ast.NotEq: "ne"},
}
# What an operator is in an expression of Qlib, where a comparison with a missing value is not true.
QLIB = {
    **{"gt": "Gt", "ge": "Ge", "lt": "Lt", "le": "Le", "eq": "Eq", "ne": "Ne"},
    **{"both": "And", "either": "Or", "negated": "Not"},
}
COMPARED = [QLIB[name] for name in COMPARISONS.values()]


class Reader:
    """Reads one text.

    Args:
        text: of the expression.
        columns: of the table; None: any name is one.

    Raises:
        Misread: it is too long, or has something that is no part of the language.
    """

    def __init__(self, text: str, columns: Collection[str] | None) -> None:
        self._text = text
        self._columns = columns
        self._tokens = _tokens(text)
        self._depth = 0
        self._arguments = Arguments(self._node, self.place, self._tokens.spans, columns)

    def tree(self) -> Node:
        """The tree of the text.

        Raises:
            Misread: it is none.
        """
        body = self._parsed()
        names = {one.func.id for one in ast.walk(body) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
        self._tokens.qlib |= any(name in FUNCTIONS and FUNCTIONS[name].qlib for name in names)
        return self._node(body)

    def place(self, found: ast.expr) -> int:
        """Where in the text something begins."""
        return self._tokens.place(found.col_offset - 1)

    def _parsed(self) -> ast.expr:
        """What Python's parser makes of it."""
        if not self._tokens.text.strip():
            raise Misread(0, "it is empty")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # such as of a number that is called: it is refused below
                # In brackets, so that a line break is no end.
                return ast.parse(f"({self._tokens.text})", mode="eval").body
        except SyntaxError as error:
            place = self._tokens.place((error.offset or 1) - 2)
            raise Misread(min(place, len(self._text)), "it cannot be read from here on") from None
        except (RecursionError, MemoryError, ValueError):
            raise Misread(0, f"it is nested more than {DEEPEST} deep", "Cut it into parts.") from None

    def _node(self, found: ast.expr) -> Node:
        """The tree of a part."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise Misread(self.place(found), f"it is nested more than {DEEPEST} deep", "Cut it into parts.")
        try:
            return self._read(found)
        finally:
            self._depth -= 1

    def _read(self, found: ast.expr) -> Node:
        """The tree of a part, by what it is."""
        match found:
            case ast.Constant():
                return self._number(found)
            case ast.Name():
                return self._name(found)
            case ast.BinOp() if type(found.op) in BINARY:
                return self._operator(BINARY[type(found.op)], self._node(found.left), self._node(found.right))
            case ast.BoolOp():
                name = "both" if isinstance(found.op, ast.And) else "either"
                return self._joined(name, [self._node(one) for one in found.values])
            case ast.UnaryOp():
                return self._unary(found)
            case ast.Compare():
                return self._comparison(found)
            case ast.Call():
                return self._call(found)
        raise Misread(self.place(found), f"{type(found).__name__.lower()!r} is no part of the language")

    def _number(self, found: ast.Constant) -> Node:
        if isinstance(found.value, bool) or not isinstance(found.value, int | float):
            fix = "The name of a column stands in backticks, or in col()." if isinstance(found.value, str) else ""
            raise Misread(self.place(found), f"{found.value!r} is no number", fix)
        try:
            return Number(float(found.value))
        except OverflowError:
            raise Misread(self.place(found), "the number is too great") from None

    def _name(self, found: ast.Name) -> Node:
        """A column; or a function without arguments, such as ``hour``."""
        name = self._tokens.columns.get(found.id)
        if name is None and found.id in self._tokens.spans:
            raise Misread(self.place(found), "a span is no value", "Use it in a function: lag(x, 24h).")
        if name is None and not self._is_column(found.id) and found.id in FUNCTIONS:
            function = FUNCTIONS[found.id]
            if not any(parameter.is_tree for parameter in function.parameters):
                return self._arguments.call(function, ast.Call(found, [], [], **_where(found)))
        return self._column(found.id if name is None else name, found)

    def _is_column(self, name: str) -> bool:
        return self._columns is not None and name in self._columns

    def _column(self, name: str, found: ast.expr) -> Node:
        """A column of the table, if there is one of this name."""
        if self._columns is not None and name not in self._columns:
            if name in FUNCTIONS:
                function = FUNCTIONS[name]
                raise Misread(self.place(found), f"{name} is a function", f"Example: {function.example}")
            raise Misread(self.place(found), f"there is no column {name!r}", nearest(name, self._columns))
        return Column(name)

    def _unary(self, found: ast.UnaryOp) -> Node:
        inner = self._node(found.operand)
        if isinstance(found.op, ast.UAdd):
            return inner
        if isinstance(found.op, ast.USub):
            return self._operator("negative", inner)
        return self._operator("negated", inner)

    def _comparison(self, found: ast.Compare) -> Node:
        """One comparison, or a chain of them: ``0 < x < 1``."""
        for one in (found.left, *found.comparators):
            self._check_brackets(one)
        sides = [self._node(one) for one in (found.left, *found.comparators)]
        parts: list[Node] = []
        for position, operator in enumerate(found.ops):
            if type(operator) not in COMPARISONS:
                raise Misread(self.place(found), f"{type(operator).__name__.lower()!r} is no part of the language")
            parts.append(self._compared(COMPARISONS[type(operator)], sides[position], sides[position + 1], found))
        return self._joined("both", parts)

    def _compared(self, name: str, left: Node, right: Node, found: ast.expr) -> Node:
        """A comparison; one of ranks, which are shares, that is the same for all of them is meant as another one."""
        sides = _placed(left, right), _placed(right, left)
        if is_beyond(*sides) or is_beyond(*reversed(sides)):
            cause = "a rank is a share, from 0 to 1, so that this is the same for every row"
            fix = "Compare the rank alone with a place, rank(x) <= 200, or with a share, rank(x) <= 0.5."
            raise Misread(self.place(found), cause, fix)
        return self._operator(name, *sides)

    def _check_brackets(self, side: ast.expr) -> None:
        """Refuse ``a > 1 & b > 2``, which is ``a > (1 & b) > 2``."""
        if not isinstance(side, ast.BinOp) or not isinstance(side.op, ast.BitAnd | ast.BitOr):
            return
        text = f"({self._tokens.text})".encode()  # the parser counts bytes
        before, behind = text[: side.col_offset].rstrip(), text[side.end_col_offset :].lstrip()
        if not (before.endswith(b"(") and behind.startswith(b")")):
            sign = "&" if isinstance(side.op, ast.BitAnd) else "|"
            fix = f"Put brackets around each comparison: (close > 50) {sign} (volume > 500)."
            raise Misread(self.place(side), f"{sign} binds what is beside it before a comparison does", fix)

    def _joined(self, name: str, parts: list[Node]) -> Node:
        node = parts[0]
        for one in parts[1:]:
            node = self._operator(name, node, one)
        return node

    def _operator(self, name: str, *sides: Node) -> Node:
        if name == "negative" and isinstance(sides[0], Number):
            return Number(-sides[0].value)
        return made(FUNCTIONS[QLIB.get(name, name) if self._tokens.qlib else name], sides)

    def _call(self, found: ast.Call) -> Node:
        """A function of the table, or ``col("a name")``."""
        if not isinstance(found.func, ast.Name) or found.func.id.startswith(PREFIX):
            raise Misread(self.place(found), "only a function of the language can be called")
        name = found.func.id
        if name == "col":
            return self._quoted(found)
        function = function_of(name)
        if function is None:
            hint = nearest(name, [*FUNCTIONS, *own_names()])
            if not hint.startswith("Did"):
                hint = "docs/reference/expressions.md has all; one of your own is a registered rollq.BlockFunction."
            raise Misread(self.place(found), f"there is no function {name!r}", hint)
        call = self._arguments.call(function, found)
        if name == "lead" and (later := self._calendar_ahead(call, found)):
            return later
        # An operator that is called by its name is the operator.
        if name in COMPARISONS.values() or name in COMPARED:
            return self._compared(name, call.arguments[0], call.arguments[1], found)
        return self._operator(name, *call.arguments) if name in QLIB or name == "negative" else call

    def _calendar_ahead(self, call: Call, found: ast.Call) -> Node | None:
        """The calendar of a later time: it is known without a row there. None if there is more in the call."""
        distance = call.option("distance")
        later = _later(call.arguments[0], distance) if isinstance(distance, Span) else None
        if later is not None and isinstance(distance, Span) and distance.steps:
            cause = "the calendar is known so many hours or days ahead, not so many steps"
            raise Misread(self.place(found), cause, "Write lead(weekday, 1d).")
        return later

    def _quoted(self, found: ast.Call) -> Node:
        argument = found.args[0] if len(found.args) == 1 and not found.keywords else None
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
            raise Misread(self.place(found), "col takes the name of one column", 'Write col("net sales").')
        return self._column(argument.value, argument)


def _tokens(text: str) -> Tokens:
    if len(text) > LONGEST:
        raise Misread(LONGEST, f"it has {len(text)} characters, more than {LONGEST}", "Cut it into parts.")
    return read_tokens(text)


def _later(node: Node, span: Span) -> Node | None:
    """A tree of the calendar alone, so far ahead; None if it is another one."""
    if not isinstance(node, Call) or node.function not in FUNCTIONS:
        return node if isinstance(node, Number) else None
    function = FUNCTIONS[node.function]
    if function.topic == CALENDAR:
        options = [(name, span if name == "ahead" else value) for name, value in node.options]
        return made(function, (), options) if node.option("ahead") is None else None
    inner = [_later(one, span) for one in node.arguments]
    if function.looks is not here or function.across or any(one is None for one in inner):
        return None
    return made(function, [one for one in inner if one is not None], node.options)


def _placed(node: Node, other: Node) -> Node:
    """A rank as a place, if it is compared with a place: ``rank(x) <= 200`` would be true of every share."""
    if not isinstance(node, Call) or node.function != "rank" or not isinstance(other, Number) or other.value < 1:
        return node
    options = [(name, False if name == "pct" else value) for name, value in node.options]
    return made(FUNCTIONS["rank"], node.arguments, options)


def _where(found: ast.expr) -> dict[str, int]:
    return {"lineno": found.lineno, "col_offset": found.col_offset}
