"""Functions of one's own: registered classes of ``rollq.BlockFunction``, called by their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

from rollq.tasks.components.block_function import Block, BlockFunction
from rollq.tasks.components.registry import is_registered, resolve
from rollq.tasks.components.source import source_of, versions_of
from rollq.tasks.components.user_code import place_of
from rollq.tasks.config.settings import current_settings
from rollq.tasks.definition import component
from rollq.tasks.errors import ComponentError
from rollq.tasks.failures import Kind as FailureKind
from rollq.tasks.failures import described, kind_of
from rollq.tasks.ingredients.called import functions_called, packages_called
from rollq.workers.expressions.functions.function import REQUIRED, Function, Kind, Options, Parameter, number_of
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.node import Option
from rollq.workers.expressions.span import Span

TOPIC = "Own functions"
Result = TypeVar("Result")
KINDS: Mapping[object, Kind] = {bool: Kind.FLAG, int: Kind.WHOLE, float: Kind.NUMBER, str: Kind.TEXT}
CLOSE, ABOUT = 1e-9, 1e-6  # what rounding may change where later rows, and where earlier rows, are gone


def own_function(name: str) -> Function | None:
    """The registered function of this name; None if no class of this name is registered.

    Raises:
        ComponentError: it cannot be loaded, or is no ``rollq.BlockFunction``.
    """
    extra = current_settings().components
    if not is_registered(name, extra):
        return None
    cls = resolve(component(name), name, extra)
    if not issubclass(cls, BlockFunction):
        raise ComponentError(f"{name} is no function of expressions.", "Make it a rollq.BlockFunction.")
    return _function(name, cls)


def own_names() -> list[str]:
    """The classes that the settings register, by name: some of them may be functions."""
    return [target.rpartition(":")[2] for target in current_settings().components]


def sources_of_own(texts: object) -> dict[str, str]:
    """What functions that are called in some texts depend on: the SHA-256 of the source of each that is registered, and
    the versions of packages.
    """
    extra = current_settings().components
    called = functions_called({"": texts}, extra)
    sources = {name: source_of(resolve(config, name, extra)).sha256 for name, config in called.items()}
    return sources | versions_of(packages_called({"": texts}))


@lru_cache(maxsize=256)
def _function(name: str, cls: type[BlockFunction]) -> Function:
    """The function that a class is."""
    own = _Own(name, cls)
    return Function(
        name,
        own.parameters,
        own.compute,
        inspect.getdoc(cls) or "",
        f"{name}({', '.join(one.name for one in own.parameters if one.is_tree)})",
        own.looks,
        across=cls.across,
        topic=TOPIC,
    )


class _Own:
    """A function of one's own that is looked at: what it returns, and what it depends on."""

    def __init__(self, name: str, cls: type[BlockFunction]) -> None:
        self.name = name
        self._cls = cls
        every = list(inspect.signature(cls.compute).parameters.values())[1:]
        self.parameters = tuple(_parameter(one) for one in every)

    def looks(self, options: Options) -> tuple[Span, Span]:
        """As far back as it declares."""
        return Span(steps=-self._lookback(options)), Span()

    def compute(self, grid: Grid, values: Sequence[Values], options: Options) -> Values:
        """Its values, if they depend on what it declares.

        Raises:
            ComponentError: it fails, returns something else, or depends on other rows.
        """
        blocks = [np.array(np.broadcast_to(one, grid.shape)) for one in values]
        found = self._called(blocks, options)
        half, back = len(found) // 2, self._lookback(options)
        before = self._called([one[: half + 1] for one in blocks], options)
        if not np.allclose(before, found[: half + 1], rtol=CLOSE, atol=0, equal_nan=True):
            raise self._wrong("looks ahead: without the rows after a row, the value of that row is another one")
        if back <= half:
            near = self._called([one[half - back : half + 1] for one in blocks], options)
            if not np.allclose(near[-1:], found[half : half + 1], rtol=ABOUT, atol=0, equal_nan=True):
                raise self._wrong(f"looks back further than {back} rows, which its lookback declares")
        return found

    def _called(self, blocks: Sequence[Block], options: Options) -> Values:
        """What it returns for some blocks."""
        given = [one.copy() for one in blocks]
        found = self._run(
            lambda: np.asarray(self._cls().compute(*given, **_plain(self.parameters, options)), np.float64)
        )
        if found.shape != blocks[0].shape:
            raise self._wrong(f"returned {found.shape} for blocks of {blocks[0].shape}")
        return found

    def _lookback(self, options: Options) -> int:
        found: object = self._run(lambda: self._cls().lookback(**_plain(self.parameters, options)))
        if not isinstance(found, int | np.integer) or isinstance(found, bool) or found < 0:
            raise self._wrong(f"says that its lookback is {found!r}")
        return int(found)

    def _run(self, code: Callable[[], Result]) -> Result:
        """What the user's code gives; its own error, with file and line."""
        try:
            return code()
        except BaseException as error:
            if kind_of(error) is FailureKind.STOP:
                raise
            fix = f"Correct it: {place_of(error)}."
            raise ComponentError(f"{self.name} failed: {described(error)}.", fix) from error

    def _wrong(self, what: str) -> ComponentError:
        where = f"{inspect.getsourcefile(self._cls)}, class {self._cls.__name__}"
        return ComponentError(f"{self.name} {what}.", f"Correct it: {where}.")


def _parameter(found: inspect.Parameter) -> Parameter:
    """A parameter of ``compute``: an expression if it has a place, an option if it has a name alone."""
    if found.kind is not found.KEYWORD_ONLY:
        return Parameter(found.name)
    names = {kind.__name__: kind for kind in (bool, int, float, str)}
    kind = names.get(str(found.annotation), found.annotation)
    if kind not in KINDS:
        kind = type(found.default)
    default: Option = found.default
    return Parameter(found.name, KINDS.get(kind, Kind.NUMBER), REQUIRED if found.default is found.empty else default)


def _plain(parameters: Sequence[Parameter], options: Options) -> dict[str, object]:
    """Options as Python has them: whole numbers are int."""
    whole = {one.name for one in parameters if one.kind is Kind.WHOLE}
    return {name: int(number_of(options, name)) if name in whole else value for name, value in options.items()}
