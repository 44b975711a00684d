"""What a script does, as a list for each of its functions: which kind of statement, and which calls in which order.

It keeps neither the text of a script nor its values. Of a call it keeps the last name, how many arguments are given by
position, and the names of the others. So a script can be compared with one that is not here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Script = dict[str, list[str]]  # function -> its statements
MODULE = "module"
_SAME_KIND = {"AnnAssign": "assign"}


def describe(source: str) -> Script:
    """The statements of a script but imports and docstrings, by function; those of a class belong to what surrounds it.

    Args:
        source: The text of the script.
    """
    found: Script = {MODULE: []}
    _collect(ast.parse(source).body, MODULE, found)
    return found


def count(source: str) -> int:
    """How many statements a script has, imports, definitions and docstrings among them.

    Args:
        source: The text of the script.
    """
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(source)))


def _collect(body: list[ast.stmt], function: str, found: Script) -> None:
    """Add the statements of a body, and of the bodies in it; a method is named without its class."""
    for node in body:
        if _is_silent(node):
            continue
        found[function].append(_statement(node))
        inside = function
        if isinstance(node, ast.FunctionDef):
            inside = node.name if function == MODULE else f"{function}.{node.name}"
            found[inside] = []
        for part in _bodies(node):
            _collect(part, inside, found)


def _is_silent(node: ast.stmt) -> bool:
    """Whether it is an import or a docstring."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom)


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for handler in getattr(node, "handlers", []):
        yield handler.body


def _statement(node: ast.stmt) -> str:
    """One statement in words: its kind, what a function takes, and its calls in the order in which they run."""
    kind = type(node).__name__
    words = [_SAME_KIND.get(kind, kind.removesuffix("Def").lower())]
    if isinstance(node, ast.FunctionDef):
        words.append(f"{node.name}({', '.join(_parameters(node))})")
    return " ".join([*words, *_calls(node)])


def _parameters(node: ast.FunctionDef) -> list[str]:
    return [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def _calls(node: ast.AST) -> Iterator[str]:
    """The calls of one statement, without those of the statements inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler):
            continue
        yield from _calls(child)
        if isinstance(child, ast.Call):
            yield f"{_name(child.func)}({', '.join(_arguments(child))})"


def _arguments(call: ast.Call) -> list[str]:
    return [*("_" for _ in call.args), *(keyword.arg or "**" for keyword in call.keywords)]


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
