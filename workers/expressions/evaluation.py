"""The values of expressions on a grid: what they have in common is computed once, and dropped after its last use."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from rollq.workers.expressions.expression import Expression
from rollq.workers.expressions.functions.catalog import known_function
from rollq.workers.expressions.grid import Grid, Values
from rollq.workers.expressions.node import Call, Column, Node, Number

KEPT = 10  # matrices that are kept because they are used again; beyond these, what is used last is computed anew


def evaluate(expressions: Mapping[str, Expression], grid: Grid) -> Iterator[tuple[str, Values]]:
    """The values of each expression, in order: times x instruments, not to be written to.

    Args:
        expressions: by the names of what they give.
        grid: with the columns that they use.
    """
    machine = _Machine(list(expressions.values()), grid)
    for position, (name, expression) in enumerate(expressions.items()):
        found = machine.values(expression.node, position) if all(grid.shape) else np.empty(grid.shape)
        yield name, np.broadcast_to(found, grid.shape)


class _Machine:
    """Computes trees and keeps what is used again.

    Args:
        expressions: all of them, in the order in which they will be asked for.
        grid: what they are computed on.
    """

    def __init__(self, expressions: list[Expression], grid: Grid) -> None:
        self._grid = grid
        self._kept: dict[str, Values] = {}
        self._uses: Counter[str] = Counter()  # how often each part is still asked for
        self._when: defaultdict[str, list[int]] = defaultdict(list)  # the expressions in which it stands
        self._nodes: dict[str, Node] = {}
        self._now = 0
        for position, expression in enumerate(expressions):
            self._uses[expression.node.text] += 1
            self._note(expression.node, position)

    def values(self, node: Node, position: int) -> Values:
        """The values of the expression at a position; of one row or column alone where they are the same in all."""
        self._now = position
        with np.errstate(all="ignore"):
            return self._of(node)

    def _note(self, node: Node, position: int) -> None:
        """Count who asks for a part: each different tree once, however often it stands somewhere."""
        if not self._when[node.text] or self._when[node.text][-1] != position:
            self._when[node.text].append(position)
        first = node.text not in self._nodes
        self._nodes[node.text] = node
        if isinstance(node, Call):
            for one in node.arguments:
                self._uses[one.text] += first
                self._note(one, position)

    def _of(self, node: Node) -> Values:
        """The values of a tree."""
        if isinstance(node, Number):
            return np.full((1, 1), node.value)
        values = self._kept.get(node.text)
        if values is None:
            values = self._computed(node)
        self._uses[node.text] -= 1
        if self._uses[node.text] <= 0:
            self._kept.pop(node.text, None)
        elif node.text not in self._kept:
            self._keep(node.text, values)
        return values

    def _computed(self, node: Column | Call) -> Values:
        if isinstance(node, Column):
            return np.asarray(self._grid.fields[node.name], dtype=np.float64)
        values = [self._of(one) for one in node.arguments]
        return known_function(node.function).compute(self._grid, values, dict(node.options))

    def _keep(self, text: str, values: Values) -> None:
        """Keep a matrix; if there are too many, the one is dropped whose next use is farthest."""
        self._kept[text] = values
        large = [name for name, one in self._kept.items() if one.size > max(self._grid.shape)]
        if len(large) > KEPT:
            self._drop(max(large, key=self._next_use))

    def _drop(self, text: str) -> None:
        """Forget a matrix that is used again: what it is computed from is then needed once more."""
        del self._kept[text]
        todo = [self._nodes[text]]
        while todo:
            node = todo.pop()
            for one in node.arguments if isinstance(node, Call) else ():
                self._uses[one.text] += 1
                if one.text not in self._kept:
                    todo.append(one)

    def _next_use(self, text: str) -> int:
        return next((one for one in self._when[text] if one >= self._now), len(self._when))
