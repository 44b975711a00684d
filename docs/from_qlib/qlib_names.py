"""The public names of Qlib's modules, read from the installed pyqlib's syntax trees: nothing of it is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

MODULES = (
    "qlib.workflow",
    "qlib.workflow.expm",
    "qlib.workflow.exp",
    "qlib.workflow.recorder",
    "qlib.workflow.record_temp",
    "qlib.model.trainer",
    "qlib.model.ens.ensemble",
    "qlib.model.ens.group",
    "qlib.workflow.online.manager",
    "qlib.workflow.online.strategy",
    "qlib.workflow.online.update",
    "qlib.workflow.online.utils",
    "qlib.workflow.task.gen",
    "qlib.workflow.task.manage",
    "qlib.workflow.task.collect",
    "qlib.workflow.task.utils",
)
_SPECIAL = ("__init__", "__call__")
_NOT_OURS = ("logger",)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function of Qlib's."""

    name: str
    kind: str  # "" for one that may be given by position, "key" for one by name alone, "*" or "**"
    is_needed: bool


@dataclass(frozen=True)
class Name:
    """A public name of Qlib's."""

    module: str
    name: str  # inside its module, as in `TaskManager.query`
    parameters: tuple[Parameter, ...] | None = None  # of what can be called
    value: object = None  # of a constant that is written down in the source
    bases: tuple[str, ...] = ()  # of a class

    def shown(self) -> str:
        """The name with its parameters, as the table shows it."""
        if self.parameters is None:
            return self.name
        stars = {"*": "*", "**": "**"}
        return f"{self.name}({', '.join(stars.get(one.kind, '') + one.name for one in self.parameters)})"


def names() -> list[Name]:
    """Every public name of the modules, in the order of the source."""
    found = [name for module in MODULES for name in _of_module(module)]
    made = {name.name: name.parameters for name in found if name.parameters is not None}
    return [replace(name, parameters=_inherited(name, made)) for name in found]


def _inherited(name: Name, made: Mapping[str, tuple[Parameter, ...]]) -> tuple[Parameter, ...] | None:
    """What a name takes; a class that has no `__init__` of its own takes what the first of its bases does."""
    known = [made[base] for base in name.bases if base in made]
    return known[0] if name.parameters is None and known else name.parameters


def _of_module(module: str) -> Iterator[Name]:
    for node in ast.parse(_source(module).read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            yield from _of_node(module, "", node)
        elif _is_public(node.name):
            yield from _of_class(module, node)


def _of_class(module: str, node: ast.ClassDef) -> Iterator[Name]:
    """A class, which takes what its `__init__` takes, and then its members."""
    members = list(dict.fromkeys(name for one in node.body for name in _of_node(module, f"{node.name}.", one)))
    made = [one.parameters for one in members if one.name.endswith(".__init__")]
    yield Name(module, node.name, made[0] if made else None, bases=tuple(ast.unparse(base) for base in node.bases))
    yield from (one for one in members if not one.name.endswith(".__init__"))


def _of_node(module: str, inside: str, node: ast.stmt) -> Iterator[Name]:
    """What one statement names; setters name nothing new."""
    if isinstance(node, ast.FunctionDef) and _is_public(node.name):
        words = [ast.unparse(one) for one in node.decorator_list]
        if not any(word.endswith(".setter") for word in words):
            skipped = 1 if inside and "staticmethod" not in words else 0
            taken = None if "property" in words else tuple(_parameters(node.args))[skipped:]
            yield Name(module, inside + node.name, taken)
    for target in _targets(node):
        if isinstance(target, ast.Name) and _is_public(target.id):
            yield Name(module, inside + target.id, None, _literal(getattr(node, "value", None)))


def _targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def _parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    for place, one in enumerate(positional):
        yield Parameter(one.arg, "", place < len(positional) - len(arguments.defaults))
    if arguments.vararg:
        yield Parameter(arguments.vararg.arg, "*", False)
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield Parameter(one.arg, "key", default is None)
    if arguments.kwarg:
        yield Parameter(arguments.kwarg.arg, "**", False)


def _literal(value: ast.expr | None) -> object:
    return value.value if isinstance(value, ast.Constant) else None


def _is_public(name: str) -> bool:
    return name in _SPECIAL or not (name.startswith("_") or name in _NOT_OURS)


def _source(module: str) -> Path:
    """The file of a module; the package itself is looked up without importing it."""
    found = find_spec("qlib")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("pyqlib is not installed: pip install 'rollq[qlib]'")
    path = Path(found.submodule_search_locations[0], *module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
