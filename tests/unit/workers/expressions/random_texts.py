"""Random expressions of all functions of the language."""

from __future__ import annotations

from hypothesis import strategies as st

from rollq.workers.expressions.functions.catalog import FUNCTIONS
from rollq.workers.expressions.functions.function import REQUIRED, Function, Kind, Parameter

LEAVES = ("open", "high", "low", "close", "volume", "`net sales`", "2", "-0.5", "1e6")
AHEAD = ("lead",)
TEXTS = {"instrument": "'I1'", "place": "'DE'"}


def option(parameter: Parameter) -> st.SearchStrategy[str]:
    """The text of an option."""
    least = parameter.least or 0
    match parameter.kind:
        case Kind.FLAG:
            return st.sampled_from(["True", "False"])
        case Kind.TEXT:
            return st.just(TEXTS[parameter.name])
        case Kind.WINDOW:
            spans = st.sampled_from(["5h", "1d", "30min"])
            return st.one_of(st.integers(int(max(least, 1)), 9).map(str), spans)
        case Kind.DISTANCE:
            return st.one_of(st.integers(int(least), 5).map(str), st.sampled_from(["3h", "1d"]))
        case Kind.SPAN:
            return st.sampled_from(["3h", "1d"])
        case Kind.STEPS | Kind.SHIFT | Kind.WHOLE:
            return st.integers(int(max(least, 1)), 5).map(str)
    return st.floats(least or 0.1, parameter.most or 3, allow_nan=False).map(lambda one: f"{one:.3f}")


@st.composite
def calls(draw: st.DrawFn, inner: st.SearchStrategy[str], functions: list[Function]) -> str:
    """A call of a function, with or without its optional arguments."""
    function = draw(st.sampled_from(functions))
    parts = []
    for parameter in function.parameters:
        if parameter.kind is Kind.GROUP:
            parts.append(draw(st.sampled_from(["sector", "hour", "rank(close)"])))
        elif parameter.kind is Kind.FACTORS:
            parts += draw(
                st.lists(st.one_of(inner, st.sampled_from(["sector", "group(hour)"])), min_size=1, max_size=3)
            )
        elif parameter.is_tree:
            parts.append(draw(inner))
        elif parameter.default is REQUIRED:
            parts.append(draw(option(parameter)))
        elif function.name == "ewm":
            continue
        elif parameter.name == "least":
            parts += draw(st.sampled_from([[], ["least=1"]]))
        elif draw(st.booleans()):
            parts.append(f"{parameter.name}={draw(option(parameter))}")
    if function.name == "ewm":
        parts.append(draw(st.sampled_from(["halflife=0.4", "span=2"])))
    return f"{function.name}({', '.join(parts)})"


def texts(depth: int = 3) -> st.SearchStrategy[str]:
    """Expressions that look back only."""
    functions = [one for one in FUNCTIONS.values() if one.name not in AHEAD]
    found: st.SearchStrategy[str] = st.sampled_from(LEAVES)
    for _ in range(depth):
        signs = st.tuples(found, st.sampled_from(["+", "-", "*", "/", ">", "<=", "and"]), found)
        found = st.one_of(
            calls(found, functions), signs.map(lambda parts: f"({' '.join(parts)})"), st.sampled_from(LEAVES)
        )
    return found
