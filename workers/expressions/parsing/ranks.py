"""Ranks are shares, from 0 to 1; compared with a number that none of them can reach, a place was meant."""

from __future__ import annotations

from collections.abc import Sequence

from rollq.workers.expressions.node import Call, Node, Number

RANKS = ("rank", "group_rank")
Bounds = tuple[float, float]


def is_beyond(side: Node, other: Node) -> bool:
    """Whether one side is made of ranks as shares, and the other is a number that it cannot be."""
    shares, number = _bounds(side), _bounds(other)
    if shares is None or number is None or number[0] != number[1] or shares[0] == shares[1]:
        return False
    return not shares[0] <= number[0] <= shares[1]


def _bounds(node: Node) -> Bounds | None:
    """The least and the greatest value of what is made of ranks and numbers alone; None: of anything else."""
    if isinstance(node, Number):
        return node.value, node.value
    if not isinstance(node, Call):
        return None
    if node.function in RANKS:
        return (0.0, 1.0) if dict(node.options).get("pct", True) else None
    inner = [_bounds(one) for one in node.arguments]
    sides = [one for one in inner if one is not None]
    return _combined(node.function, sides) if sides and len(sides) == len(inner) else None


def _combined(function: str, sides: Sequence[Bounds]) -> Bounds | None:
    """The bounds of an operator's value."""
    (low, high), (least, most) = sides[0], sides[-1]
    match function:
        case "negative":
            return -high, -low
        case "add":
            return low + least, high + most
        case "subtract":
            return low - most, high - least
        case "multiply":
            ends = [one * two for one in (low, high) for two in (least, most)]
            return min(ends), max(ends)
        case "divide" if least == most != 0:
            return min(low / least, high / least), max(low / least, high / least)
    return None
