"""Junk: values that nobody should send or store, and valid things with a few places gone wrong. Always seeded."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from rollq import RollqError

SEED = int(os.environ.get("ROLLQ_FUZZ_SEED", "20261124"))  # another one looks at other cases

# How many cases each test tries; together at least ten thousand.
CASES = {
    "messages through the broker": 4_000,
    "messages at the gate, mutated": 2_000,
    "messages at the gate, generated": 1_000,
    "arguments of the two tasks": 500,
    "documents of tasks": 600,
    "documents met by a worker": 150,
    "documents of rounds and online sets": 250,
    "definitions": 1_000,
    "templates": 600,
    "windows": 600,
}

LEVELS = 12  # of nesting that are changed
PLAIN: tuple[Callable[[random.Random], Any], ...] = (
    lambda _: None,
    lambda r: r.choice([True, False]),
    lambda r: r.choice([0, 1, -1, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]),
    lambda r: r.choice([0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf")]),
    lambda r: r.choice(["", " ", "x", "$where", "$$NOW", "a.b", "\x00", "0" * 24, "f" * 24, "RUNNING", "held", "%s%n"]),
    lambda r: r.choice(["é", "日本", "\u202e", "🜁", "\n\r\t", "../../etc/passwd", "'; DROP TABLE tasks; --"]),
    lambda r: "A" * r.choice([1_000, 50_000]),
    lambda r: [junk(r) for _ in range(r.randrange(3))],
    lambda r: {r.choice(["a", "", "$set", "class", "test", "0"]): junk(r) for _ in range(r.randrange(3))},
)


def allowed(action: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What an action returns, or the error of rollq that it raises; any other error fails the test."""
    try:
        return action(*args, **options)
    except RollqError as error:
        return error


def junk(chance: random.Random) -> Any:
    """A value that JSON or BSON can hold."""
    return chance.choice(PLAIN)(chance)


def stored_junk(chance: random.Random) -> Any:
    """A value that a database can hold."""
    return (
        chance.choice([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), b"\xff"])
        if (chance.random() < 0.1)
        else junk(chance)
    )


def mutated(value: Any, chance: random.Random, make: Callable[[random.Random], Any] = junk) -> Any:
    """A copy of a nested value with up to three places changed, taken away, doubled or added."""
    found = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(found))
        if not places:
            return make(chance)
        holder, key = chance.choice(places)
        _hurt(holder, key, chance, make)
    return found


def deep(levels: int) -> Any:
    """Lists and mappings in one another."""
    value: Any = 0
    for level in range(levels):
        value = [value] if level % 2 else {"": value}
    return value


def _places(value: Any, level: int = 0) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list) and level < LEVELS:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key], level + 1)


def _hurt(holder: Any, key: Any, chance: random.Random, make: Callable[[random.Random], Any]) -> None:
    how = chance.randrange(4)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[chance.choice(["extra", "class", "", f"{key}x"])] = holder.pop(key)
    elif how == 2 and isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = make(chance)
