"""Files that users write, YAML and TOML, read so that each word means what it says.

YAML is read by the core schema of YAML 1.2, not by the rules of 1.1: ``ON`` and ``NO`` are text, ``5e-2`` is a number,
``1:30`` is no count in base 60, a date is text. Where even 1.2 would change what was written (``063``, ``0x10``), it
stays text. What can be meant in two ways is refused: a key that is there twice, a second document, a tag.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from rollq.tasks.errors import BadInput, TemplateError

# A thousand times a large template, and small enough to be read before anything is known about it.
LARGEST_BYTES = 4_000_000
MOST_VALUES = 1_000_000  # aliases multiply: a file of 1 kB may stand for more than there are atoms
# The reader calls itself for each level: Python ends at about a thousand calls.
DEEPEST = 100
# No float has more; Python itself takes long for numbers of many thousand digits, and refuses above 4,300.
MOST_DIGITS = 400
CORE = "tag:yaml.org,2002:"
MERGE = f"{CORE}merge"
# Tag, the plain text that has it, and how that text may begin (None: anything, even nothing).
SCHEMA: tuple[tuple[str, str, tuple[str | None, ...]], ...] = (
    (f"{CORE}null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    (f"{CORE}bool", r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    (f"{CORE}int", r"[-+]?(0|[1-9][0-9]*)", tuple("-+0123456789")),
    (
        f"{CORE}float",
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        tuple("-+.0123456789"),
    ),
    (MERGE, "<<", ("<",)),
)
BOOLS = {"true": True, "false": False}


@dataclass(frozen=True)
class UserFile:
    """What a file says, and on which line it says it: ``lines`` by dotted key, such as ``model.kwargs.loss``."""

    name: str
    content: Any
    lines: Mapping[str, int] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """``name, line 7``: where ``key`` stands, or the nearest thing around it; empty if nothing does."""
        while key:
            if key in self.lines:
                return f"{self.name}, line {self.lines[key]}"
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return ""

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Errors that leave this block and begin with a key of the file say the place of that key, too."""
        try:
            yield
        except BadInput as error:
            key, colon, _ = error.message.partition(": ")
            if colon and (place := self.place(key)) and self.name not in error.message:
                error.message = f"{error.message.removesuffix('.')} ({place})."
                error.args = (error.message,)
            raise


def read_yaml(path: Path, what: str = "template", kind: type[BadInput] = TemplateError) -> UserFile:
    """Read a file that holds one YAML document.

    Args:
        what: the noun for it in messages.
        kind: of the error if it cannot be read.

    Raises:
        BadInput: it cannot be read, is no YAML, or says something that could be meant in two ways.
    """
    text = _text(path, what, "YAML", kind)
    try:
        loader = _Loader(text)
        # Two are enough to know that there is more than one.
        documents = list(islice(_documents(loader), 2))
    except RecursionError:
        raise kind(f"{path.name} is nested too deep to be read.", "Use a flatter form.") from None
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(path, error, kind) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise kind(f"{path.name} is not YAML: {' '.join(str(error).split())}.", "Give a text file.") from None
    if not documents:
        raise kind(f"{path.name} is empty.", "Write something into it.")
    if len(documents) > 1:
        line = documents[1].start_mark.line + 1
        raise kind(f"A second document begins in {path.name}, line {line}.", "Use one file for each.")
    builder = _Builder(path.name, kind)
    content = builder.value(documents[0], "", 0)
    return UserFile(path.name, content, builder.lines)


def read_toml(path: Path, what: str, kind: type[BadInput]) -> UserFile:
    """Read a TOML file; the arguments are those of ``read_yaml``.

    Raises:
        BadInput: it cannot be read, or is no TOML.
    """
    text = _text(path, what, "TOML", kind)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise kind(f"{path.name} is not TOML: {error}.", "Correct that line.") from None
    except RecursionError:
        raise kind(f"{path.name} is nested too deep to be read.", "Use a flatter form.") from None
    found = {name: _line_of(name, text) for name in content}
    return UserFile(path.name, content, {name: line for name, line in found.items() if line})


def _text(path: Path, noun: str, form: str, kind: type[BadInput]) -> str:
    """The content of a file, UTF-8 or UTF-16 with a mark; what cannot be read says why."""
    fix = f"Give the path of a {form} file."
    try:
        with path.open("rb") as file:
            # One byte more than may be: that tells a file that is too large without reading all of it.
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise kind(f"There is no {noun} {str(path)!r}.", fix) from None
    except IsADirectoryError:
        raise kind(f"The {noun} {str(path)!r} is a folder.", fix) from None
    except (OSError, ValueError) as error:  # a ValueError: the path holds a NUL character
        reason = getattr(error, "strerror", None) or error
        raise kind(f"The {noun} {str(path)!r} cannot be read: {reason}.", fix) from None
    if len(content) > LARGEST_BYTES:
        raise kind(f"The {noun} {path.name} is larger than {LARGEST_BYTES // 10**6} MB.", f"Is it a {form} file?")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise kind(f"{path.name}, line {line}: it is no UTF-8 text.", f"Give a {form} file, saved as UTF-8.") from None


def _not_yaml(path: Path, error: yaml.MarkedYAMLError, kind: type[BadInput]) -> BadInput:
    mark = error.problem_mark or error.context_mark
    place = f"{path.name}, line {mark.line + 1}" if mark else path.name
    reason = error.problem or error.context or "it cannot be parsed"
    if "'\\t'" in reason:
        return kind(f"{place}: a tab stands where YAML wants spaces.", "Indent with spaces.")
    return kind(f"{place}: it is not valid YAML: {reason}.", "Correct that line, or the one before it.")


def _line_of(name: str, text: str) -> int | None:
    """The line of a top-level key of a TOML file, or of the table with its name."""
    pattern = rf"^\s*(\[+\s*)?[\"']?{re.escape(name)}[\"']?\s*[\]=.]"
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else text.count("\n", 0, found.end()) + 1


class _Loader(yaml.SafeLoader):
    """Parses YAML and names the kind of each plain word by ``SCHEMA``; it makes no objects."""

    # Empty: the base class's would be those of YAML 1.1, in which `NO` is false.
    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as the base has it


for _tag, _pattern, _first in SCHEMA:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def _documents(loader: _Loader) -> Iterator[yaml.Node]:
    while loader.check_node():
        node = loader.get_node()
        if node is not None:
            yield node


class _Builder:
    """Makes values of nodes, and notes on which line each stands."""

    def __init__(self, name: str, kind: type[BadInput]) -> None:
        self.lines: dict[str, int] = {}
        self._name = name
        self._kind = kind
        self._count = 0
        self._around: list[yaml.Node] = []

    def value(self, node: yaml.Node, key: str, level: int) -> Any:
        self._count += 1
        if self._count > MOST_VALUES:
            raise self._refusal(node, key, f"more than {MOST_VALUES:,} values", "Use fewer aliases.")
        if level > DEEPEST:
            raise self._refusal(node, f"{key[:60]}...", f"it lies {DEEPEST} levels deep", "Use a flatter form.")
        # An alias is the node that it stands for, so one that stands for something around it would never end.
        if any(node is other for other in self._around):
            raise self._refusal(node, key, "the alias stands for something that holds itself", "Remove it.")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, key)
        self._around.append(node)
        made = self._mapping(node, key, level) if isinstance(node, yaml.MappingNode) else self._list(node, key, level)
        self._around.pop()
        return made

    def _mapping(self, node: yaml.MappingNode, key: str, level: int) -> dict[str, object]:
        """A mapping; keys must be unique, and merged keys come before its own."""
        self._expect(node, key, "map")
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        seen: dict[str, int] = {}
        for name_node, value_node in node.value:
            name, line = self._key(name_node, key), name_node.start_mark.line + 1
            inner = f"{key}.{name}".lstrip(".")
            if name in seen:
                raise self._refusal(
                    name_node, inner, f"the key is there twice, first on line {seen[name]}", "Keep one."
                )
            seen[name] = line
            if name_node.tag == MERGE:
                merged = self._merged(value_node, key, level)
                continue
            self.lines[inner] = line
            own[name] = self.value(value_node, inner, level + 1)
        return {**merged, **own}

    def _merged(self, node: yaml.Node, key: str, level: int) -> dict[str, object]:
        """What ``<<`` brings in; of several mappings the first that has a key gives it."""
        found: dict[str, object] = {}
        lines = dict(self.lines)
        for source in reversed(node.value if isinstance(node, yaml.SequenceNode) else [node]):
            if not isinstance(source, yaml.MappingNode):
                raise self._refusal(source, f"{key}.<<".lstrip("."), "it merges no mapping", "Write <<: *anchor.")
            found.update(self.value(source, key, level + 1))
        self.lines.update(lines)  # what the mapping says itself stands there
        return found

    def _list(self, node: yaml.Node, key: str, level: int) -> list[object]:
        self._expect(node, key, "seq")
        made = []
        for position, item in enumerate(node.value):
            inner = f"{key}[{position}]"
            self.lines[inner] = item.start_mark.line + 1
            made.append(self.value(item, inner, level + 1))
        return made

    def _key(self, node: yaml.Node, key: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._refusal(node, key, "a key that is no text", "Use text.")
        if node.tag not in (f"{CORE}str", MERGE):
            shown = node.value or "nothing"
            raise self._refusal(node, f"{key}.{shown}".lstrip("."), "the key is no text", f'Quote it: "{shown}".')
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, key: str) -> object:
        """The value of a plain word by its tag, which YAML 1.2's core schema gives."""
        text = str(node.value)
        match node.tag.removeprefix(CORE):
            case "str" | "merge" | "!":
                return text
            case "null" if text in ("~", "", "null", "Null", "NULL"):
                return None
            case "bool" if text.lower() in BOOLS:
                return BOOLS[text.lower()]
            case "int" if re.fullmatch(r"[-+]?[0-9]+", text):
                if len(text) > MOST_DIGITS:
                    raise self._refusal(node, key, f"the number has {len(text)} digits", "Quote it, if it is text.")
                return int(text)
            # The pattern again, because a tag may have been written out before any text.
            case "float" if re.fullmatch(SCHEMA[3][1], text):
                number = text.lower().replace(".inf", "inf").replace(".nan", "nan")
                return float(number)
        raise self._refusal(node, key, f"{text[:60]!r} cannot have the tag {node.tag}", "Leave the tag out.")

    def _expect(self, node: yaml.Node, key: str, tag: str) -> None:
        if node.tag != CORE + tag:
            raise self._refusal(node, key, f"the tag {node.tag} is not known here", "Leave it out.")

    def _refusal(self, node: yaml.Node, key: str, reason: str, fix: str) -> BadInput:
        place = f"{self._name}, line {node.start_mark.line + 1}"
        return self._kind(f"{key}: {reason} ({place})." if key else f"{reason} ({place}).", fix)
