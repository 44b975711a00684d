"""The one reader of stored documents. Others write to the database, too: people, other programs, other versions.

One rule for every kind of document: a field that rollq does not know is ignored; a field that is missing has the
default of its record, or the document cannot be read; a field of another type makes it unreadable, and so does a newer
``schema``. A document that cannot be read is left where it is: lists and sweeps leave it out, and ``rollq doctor``
names it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from rollq.tasks.errors import DocumentCorrupted, RollqError

log = logging.getLogger(__name__)

T = TypeVar("T")
SCHEMA = 1  # of the documents that this version writes; without the field it is 1

# For each dataclass that is read from documents, those within it included.
stored = with_config(ConfigDict(strict=True, revalidate_instances="always", arbitrary_types_allowed=True))


@dataclass(frozen=True)
class Reader(Generic[T]):
    """Reads the documents of a collection.

    Args:
        collection: its name.
        what: what one of them is called.
        record: the dataclass, ``@stored``, that a document becomes.
        fix: what a person can do about one that cannot be read.
        named: the document's names of fields that the record calls otherwise, such as ``{"id": "_id"}``.
    """

    collection: str
    what: str
    record: type[T]
    fix: str
    named: Mapping[str, str] = field(default_factory=dict)

    def read(self, document: Mapping[str, Any]) -> T:
        """The record of a document.

        Raises:
            DocumentCorrupted: it cannot be read; the message names collection, id and field.
        """
        try:
            check_schema(document)
            made: T = _made(self.record, {**document, **self._renamed(document)})
            _check_types(made)
        except (LookupError, TypeError, ValueError, AttributeError, RollqError) as error:
            why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DocumentCorrupted(
                f"The {self.what} {document.get('_id')!r} in the collection {self.collection!r} is corrupted: {why}.",
                self.fix,
            ) from error
        return made

    def read_all(self, documents: Iterable[Mapping[str, Any]]) -> list[T]:
        """The records of those documents that can be read; the others are left out, with a warning."""
        found = []
        for document in documents:
            try:
                found.append(self.read(document))
            except DocumentCorrupted as error:
                log.warning("left out: %s", error)
        return found

    def flaw(self, document: Mapping[str, Any]) -> str:
        """Why a document cannot be read; empty if it can."""
        try:
            self.read(document)
        except DocumentCorrupted as error:
            return error.message
        return ""

    def _renamed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        return {name: document[other] for name, other in self.named.items() if other in document}


def check_schema(document: Mapping[str, Any]) -> None:
    """Refuse what a newer version wrote.

    Raises:
        ValueError: it did.
    """
    schema = document.get("schema", SCHEMA)
    if isinstance(schema, int) and schema > SCHEMA:
        raise ValueError(f"a newer rollq wrote it (schema {schema}, this one knows {SCHEMA})")


def _made(record: Any, document: Mapping[str, Any]) -> Any:
    """An instance of a dataclass of the fields that it has."""
    hints = _hints(record)
    values = {
        one.name: _value(hints[one.name], document[one.name])
        for one in fields(record)
        if one.name in document or (one.default is MISSING and one.default_factory is MISSING)
    }
    return record(**values)


def _value(hint: Any, value: Any) -> Any:
    """A value in the form that the hint asks for: documents know no tuples, enums or dataclasses."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return None if value is None else _value(next(one for one in inner if one is not type(None)), value)
    if kind is tuple and isinstance(value, list):
        hints = [inner[0]] * len(value) if inner[1:] == (...,) else inner
        return tuple(_value(one, item) for one, item in zip(hints, value, strict=True))
    if kind is dict and isinstance(value, dict) and len(inner) == 2:
        return {name: _value(inner[1], item) for name, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, StrEnum) and isinstance(value, str):
        return hint(value)
    if is_dataclass(hint) and isinstance(value, Mapping):
        return _made(hint, value)
    return value


def _check_types(made: Any) -> None:
    """Refuse a field of another type than its annotation says."""
    try:
        _adapter(made.__class__).validate_python(made)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise TypeError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


@cache
def _hints(record: Any) -> dict[str, Any]:
    return get_type_hints(record)


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
