"""From the text of an expression to one that Python's parser reads: columns in backticks, ``$columns`` and spans get
names that stand for them, and each place in the new text knows its place in the old one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from rollq.workers.expressions.span import Span

PREFIX = "__"  # of the names that stand for something; a user's name does not begin with it
TOKEN = re.compile(
    r"""
    (?P<text>'[^'\n]*'|"[^"\n]*")
  | `(?P<column>[^`\n]+)`
  | \$(?P<field>\$?[A-Za-z_]\w*)
  | (?P<span>\d+(?:min|h|d|w))\b
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[^\W\d]\w*)
  | (?P<space>\s+)
  | (?P<operator>\*\*|//|[<>=!]=|[-+*/%<>()\[\],=&|~])
    """,
    re.VERBOSE,
)


class Misread(Exception):
    """A place of the text that cannot be read."""

    def __init__(self, place: int, cause: str, fix: str = "") -> None:
        super().__init__(cause)
        self.place = place
        self.cause = cause
        self.fix = fix


@dataclass
class Tokens:
    """A text that Python's parser reads, and what its names stand for."""

    text: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    qlib: bool = False
    _new: list[int] = field(default_factory=list)
    _old: list[int] = field(default_factory=list)

    def place(self, new: int) -> int:
        """Where in the user's text that is."""
        token = bisect_right(self._new, new) - 1
        return self._old[token] if token >= 0 else 0

    def add(self, piece: str, place: int) -> None:
        """One more piece, that begins at ``place`` in the user's text."""
        self._new.append(len(self.text))
        self._old.append(place)
        self.text += piece


def read_tokens(text: str) -> Tokens:
    """The tokens of a text.

    Raises:
        Misread: there is something that is no part of the language.
    """
    tokens = Tokens()
    place = 0
    while place < len(text):
        found = TOKEN.match(text, place)
        if found is None:
            cause = f"{text[place]!r} has no end" if text[place] in "'\"`" else f"{text[place]!r} cannot be read"
            raise Misread(place, cause)
        tokens.add(_piece(found, tokens, place), place)
        place = found.end()
    return tokens


def _piece(found: re.Match[str], tokens: Tokens, place: int) -> str:
    """What stands for a token in the new text."""
    kind = found.lastgroup
    content = found[kind or 0]
    if kind == "space":
        return " "
    if kind == "name" and content.startswith(PREFIX):
        raise Misread(place, f"{content!r} begins with {PREFIX!r}", "Put the name of a column in backticks.")
    if kind == "column":
        return _named(tokens.columns, content)
    if kind == "field":
        if content.startswith("$"):
            raise Misread(
                place, f"'${content}' asks for a point-in-time table of Qlib", "Use a source with join: known."
            )
        tokens.qlib = True
        return _named(tokens.columns, content)
    if kind == "span":
        name = f"{PREFIX}span_{len(tokens.spans)}"
        try:
            tokens.spans[name] = Span.of(content)
        except ValueError:
            raise Misread(place, "a span is more than a hundred years", "Write a shorter one.") from None
        return name
    return content


def _named(columns: dict[str, str], content: str) -> str:
    name = f"{PREFIX}column_{len(columns)}"
    columns[name] = content
    return name
