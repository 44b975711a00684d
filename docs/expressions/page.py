"""The text of docs/reference/expressions.md: what is written by hand, and a table of each topic."""

from __future__ import annotations

from pathlib import Path

from docs.map.imports import ROOT
from rollq.workers.expressions.expression import LABEL, parse
from rollq.workers.expressions.functions.catalog import FUNCTIONS
from rollq.workers.expressions.functions.function import REQUIRED, Function, Kind, Parameter
from rollq.workers.expressions.parsing.arguments import SIGNS
from rollq.workers.expressions.sets.named import SETS, named_set
from rollq.workers.expressions.span import Span

PAGE = ROOT / "docs/reference/expressions.md"
HEAD = Path(__file__).with_name("head.txt")
COLUMNS = ("open", "high", "low", "close", "vwap", "volume", "value")
FOOT = "This page is written by `python -m docs.expressions` from the functions themselves.\n"


def page() -> str:
    """The whole page."""
    topics: dict[str, list[Function]] = {}
    for function in FUNCTIONS.values():
        topics.setdefault(function.topic, []).append(function)
    parts = [HEAD.read_text(encoding="utf-8").rstrip(), "## Named sets", _sets(), "## Functions", _kinds()]
    for topic, functions in topics.items():
        rows = [_row(one) for one in functions]
        parts.append(
            f"### {topic}\n\n| function | what it gives | looks back | example |\n|---|---|---|---|\n" + "\n".join(rows)
        )
    return "\n\n".join([*parts, FOOT])


def call_of(function: Function) -> str:
    """How a function is called: an operator by its sign."""
    if function.name in SIGNS:
        return f"x {SIGNS[function.name]} y"
    if function.name in ("negative", "negated"):
        return "-x" if function.name == "negative" else "not x"
    return f"{function.name}({', '.join(_parameter(one) for one in function.parameters)})"


def reach_of(function: Function) -> str:
    """How far it looks back, and ahead."""
    options = {one.name: _shown(one) for one in function.parameters if not one.is_tree}
    if function.name in ("ewm", "EMA"):
        return "until a weight is below 1e-9 of the last"
    first, last = function.looks(options)
    if last.forward:
        return f"ahead: {_times(last, function)}"
    if function.name == "Ref":
        return "distance; ahead where that is negative"
    return _times(-first, function) if first else "0"


def _times(span: Span, function: Function) -> str:
    """A reach in the words of its parameters: they were given 20."""
    name = "window" if any(one.name == "window" for one in function.parameters) else "distance"
    less = span.steps - 20
    return name if not less else f"{name} {'+' if less > 0 else '-'} {abs(less)}"


def _shown(parameter: Parameter) -> object:
    """A value of an option, to ask how far a function looks with it."""
    if parameter.kind in (Kind.WINDOW, Kind.DISTANCE, Kind.STEPS, Kind.SHIFT, Kind.SPAN):
        return Span(steps=20)
    return None if parameter.default is REQUIRED else parameter.default


def _parameter(parameter: Parameter) -> str:
    if parameter.kind is Kind.FACTORS:
        return f"*{parameter.name}"
    if parameter.default is REQUIRED:
        return parameter.name
    default = parameter.default
    text = f"{default:g}" if isinstance(default, float) else str(default)
    return f"{parameter.name}={text}"


def _row(function: Function) -> str:
    """The row of a function; its example is read, so that it is right."""
    parse(function.example, columns=None, lead=LABEL)
    formula = function.formula.replace("*", "\\*")
    cells = [f"`{call_of(function)}`", formula, reach_of(function), f"`{function.example}`"]
    return "| " + " | ".join(one.replace("|", "\\|") for one in cells) + " |"


def _sets() -> str:
    """A row of each set."""
    rows = ["| set | features | needs | uses, too | what it is |", "|---|---|---|---|---|"]
    for name, one in SETS.items():
        size = len(named_set(name, COLUMNS))
        needs, uses = (", ".join(f"`{column}`" for column in group) or "-" for group in (one.required, one.uses))
        rows.append(f"| `{name}` | {size} | {needs} | {uses} | {one.about} |")
    return "\n".join(rows)


def _kinds() -> str:
    """What stands at the places of parameters."""
    return (
        "`x`, `y` and `condition` are expressions, `g` a column of groups. `window` is a number of steps or a span "
        "such as `24h`, `7d`, `2w`, and so is `distance`; the features of prices count steps alone. `least` is how "
        "many values of a window must be there; by default all of them. Functions without arguments stand without "
        "brackets, too. *Looks back* counts steps before a row's own."
    )
