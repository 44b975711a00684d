"""The source of a component: its module, and the modules of its own package that it imports. And what it is run with.

Imports are read from the source, not executed, and found by their path: of an installed package only its own modules
are looked at, of a project's folder every module in it. What is imported by a computed name is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

OURS = "rollq"
# Modules and packages that components of rollq import, and that are part of what they compute.
COMPUTES = (
    "rollq.tasks.predictions.class_metrics",
    "rollq.tasks.predictions.forecast_errors",
    "rollq.tasks.predictions.interval_metrics",
    "rollq.tasks.predictions.metrics",
    "rollq.tasks.predictions.pooling",
    "rollq.tasks.predictions.portfolio",
    "rollq.tasks.predictions.ranking_metrics",
    "rollq.workers.datasets",
    "rollq.workers.expressions",
    "rollq.workers.tables",
)
# Of what components of rollq import.
TRAINS = frozenset({"catboost", "lightgbm", "numpy", "pandas", "qlib", "scipy", "sklearn", "torch", "xgboost"})
INSTALLED = frozenset({"site-packages", "dist-packages"})
HERE = Path(__file__).absolute().parents[3]  # as it was found, through the links of a checkout

_loaded: dict[str, tuple[object, str]] = {}  # module: its spec when it was looked at first, the SHA-256 of its source


@dataclass(frozen=True)
class Module:
    """A source file: its SHA-256, and the names that it imports."""

    sha256: str
    imports: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """What a component is made of: ``target`` is ``module:Class``, ``own`` whether it is not one of rollq's.

    ``modules`` are the files of its modules by their names; ``libraries`` names the other packages that they import.
    """

    target: str
    own: bool
    modules: dict[str, Path]
    libraries: frozenset[str]

    @property
    def folder(self) -> Path | None:
        """The folder of the class's module."""
        path = self.modules.get(self.target.partition(":")[0])
        return path.resolve().parent if path else None

    @property
    def sha256(self) -> str:
        """Of the source as it is on this machine's disk."""
        return self._hash({name: _read(path).sha256 for name, path in self.modules.items()})

    @property
    def loaded_sha256(self) -> str:
        """Of the source as this process imported it."""
        return self._hash({name: _as_loaded(name, path) for name, path in self.modules.items()})

    def _hash(self, hashes: dict[str, str]) -> str:
        lines = [self.target, *(f"{name} {found}" for name, found in sorted(hashes.items()))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def source_of(cls: type[object]) -> Source:
    """The source of a component's class; what it inherits from rollq belongs to it."""
    modules: dict[str, Path] = {}
    # Bases of other packages are libraries: their versions count, not their source.
    for one in cls.__mro__:
        if one is cls or one.__module__.partition(".")[0] == OURS:
            modules |= _closure(one.__module__)
    # What stands for a class of another library is named as that one, and needs what that one needs.
    named = getattr(cls, "wraps", cls)
    beside = [Path(str(getattr(sys.modules[named.__module__], "__file__", "")))] if named is not cls else []
    names = {name for path in (*modules.values(), *beside) for name in _read(path).imports}
    imported = {name.partition(".")[0] for name in names if not name.startswith(".")}
    known = {name.partition(".")[0] for name in modules} | {OURS} | sys.stdlib_module_names
    own = cls.__module__.partition(".")[0] != OURS
    libraries = imported - known if own else imported & TRAINS
    return Source(f"{named.__module__}:{named.__qualname__}", own, modules, frozenset(libraries))


def note_loaded(cls: type[object]) -> None:
    """Remember the source that this process has imported for a component: called when it is used first."""
    for name, path in source_of(cls).modules.items():
        _as_loaded(name, path)


def changed_since_loaded() -> list[str]:
    """Modules of components whose source has changed since this process imported them."""
    changed = []
    for name in list(_loaded):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and Path(file).is_file() and _read(Path(file)).sha256 != _as_loaded(name, Path(file)):
            changed.append(name)
    return changed


def forget_changed() -> None:
    """Let modules whose source has changed be imported anew: for a process that has just been forked."""
    for name in changed_since_loaded():
        # After a fork the parent's modules are here, too, as old as the parent.
        del sys.modules[name], _loaded[name]


def versions_of(libraries: Iterable[str]) -> dict[str, str]:
    """The version of each package that is imported under one of these names, by the name of its distribution."""
    found = {}
    for name in libraries:
        for distribution in _distributions(name):
            try:
                found[distribution.lower()] = version(distribution)
            except PackageNotFoundError:
                continue
    return dict(sorted(found.items()))


def _as_loaded(name: str, path: Path) -> str:
    """SHA-256 of a module's source when this process imported it, or imports it now (``importlib.reload`` too)."""
    module = sys.modules.get(name)
    if module is None:
        return _read(path).sha256
    # `importlib.reload` gives a module a new spec: then the source of now is what was imported.
    if name not in _loaded or _loaded[name][0] is not module.__spec__:
        _loaded[name] = (module.__spec__, _read(path).sha256)
    return _loaded[name][1]


def _closure(module: str) -> dict[str, Path]:
    """The file of a module and those of the modules that it imports, directly or not, by name."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:  # built in, or made in a notebook
        return {}
    base, found, todo = _base(module, Path(file)), {}, [(module, Path(file))]
    while todo:
        name, path = todo.pop()
        if name in found:
            continue
        found[name] = path
        for wanted in _read(path).imports:
            absolute = _absolute(wanted, name, path)
            if _belongs(absolute, module, base) and (there := _find(absolute, base)):
                todo.append(there)
    return found


def _base(module: str, file: Path) -> Path:
    """The folder on the import path in which a module lies."""
    levels = module.count(".") + (file.name == "__init__.py")
    return file.absolute().parents[levels]


def _belongs(name: str, module: str, base: Path) -> bool:
    top = name.partition(".")[0]
    # Of rollq itself only the class's own package and what computes: else each new version of rollq would make every
    # task another one.
    if module.partition(".")[0] == OURS and base == HERE:
        return any(f"{name}.".startswith(f"{one}.") for one in (*COMPUTES, module.rpartition(".")[0]))
    if top == OURS:
        return False
    return top == module.partition(".")[0] or not INSTALLED & set(base.parts)


def _find(name: str, base: Path) -> tuple[str, Path] | None:
    """The module that ``name`` is or, if it is something in a module, that one."""
    parts = name.split(".")
    for length in (len(parts), len(parts) - 1):
        place = base.joinpath(*parts[:length])
        for path in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if length and path.is_file():
                return ".".join(parts[:length]), path
    return None


def _absolute(name: str, importer: str, path: Path) -> str:
    """A name as it is imported, with leading dots resolved."""
    level = len(name) - len(name.lstrip("."))
    if not level:
        return name
    package = importer.split(".") if path.name == "__init__.py" else importer.split(".")[:-1]
    kept = package[: len(package) - level + 1]
    return ".".join([*kept, name.lstrip(".")]).strip(".")


def _read(path: Path) -> Module:
    try:
        stat = path.stat()
        return _parsed(path, (stat.st_mtime_ns, stat.st_ctime_ns), stat.st_size)
    except OSError:  # it was removed while this process has it
        return Module("", ())


@lru_cache(maxsize=4096)
def _parsed(path: Path, _changed: tuple[int, int], _size: int) -> Module:
    content = path.read_bytes()
    # Git may write other line ends on another machine; the code is the same.
    sha256 = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # an extension module, or half a file
        return Module(sha256, ())
    return Module(sha256, tuple(dict.fromkeys(_imports(tree))))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name for alias in node.names for name in _bound(alias))
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            dot = "." if node.module else ""
            yield from (start if alias.name == "*" else f"{start}{dot}{alias.name}" for alias in node.names)


def _bound(alias: ast.alias) -> Iterator[str]:
    """What ``import a.b`` makes usable: ``a``, too; ``import a.b as c`` only ``a.b``."""
    parts = alias.name.split(".")
    yield from (".".join(parts[:length]) for length in range(len(parts) if alias.asname else 1, len(parts) + 1))


def _distributions(name: str) -> list[str]:
    try:
        version(name)
    except (PackageNotFoundError, ValueError):
        return _providers().get(name, [])
    return [name]


@cache
def _providers() -> dict[str, list[str]]:
    """Distributions by what is imported of them: slow, and needed only where the two have different names."""
    return {name: list(found) for name, found in packages_distributions().items()}
