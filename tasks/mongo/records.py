"""The one reader of stored documents. Others write to the database, too: people, other programs, other versions.

One rule for every kind of document: a field that rollq does not know is ignored; a field that is missing has the
default of its record, or the document is invalid; a field of another type makes it invalid, and so does any other
``schema`` than this version's. An invalid document is left where it is: lists and sweeps leave it out, and ``rollq
doctor`` names it. Invalid tasks and rounds, on which others wait, are dead-lettered: written down as FAILED.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, SchemaValidator

from rollq.tasks.errors import DocumentCorrupted
from rollq.tasks.mongo.layout import SCHEMA, check_schema
from rollq.tasks.state_machine import S, StateMachine

log = logging.getLogger(__name__)

T = TypeVar("T", covariant=True)
LARGEST = 2**53  # whole numbers that every program reads alike
STRICT = {"int": {"strict": True, "ge": -LARGEST, "le": LARGEST}} | {
    name: {"strict": True} for name in ("str", "float", "bool", "datetime")
}

Id = Annotated[str, Field(validation_alias="_id")]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Reader(Generic[T]):
    """Reads the documents of a collection.

    Args:
        collection: its name.
        what: what one of them is called.
        record: the dataclass that a document becomes.
        fix: what a person can do about one that is invalid.
    """

    collection: str
    what: str
    record: type[T]
    fix: str

    def read(self, document: Mapping[str, object]) -> T:
        """The record of a document.

        Raises:
            DocumentCorrupted: it is invalid; the message names collection, id and field.
        """
        try:
            # The usual case costs one comparison; the rest of the check is for its message.
            if document.get("schema") != SCHEMA:
                check_schema(document)
            made: T = self._validator.validate_python(document)
        except ValueError as error:  # pydantic's is one
            why = next(iter(_problems(error).values())) if isinstance(error, ValidationError) else str(error)
            raise DocumentCorrupted(
                f"The {self.what} {document.get('_id')!r} in the collection {self.collection!r} is invalid: {why}.",
                self.fix,
            ) from error
        return made

    def read_all(self, documents: Iterable[Mapping[str, object]]) -> list[T]:
        """The records of those documents that are valid; the others are left out, with a warning."""
        found = []
        for document in documents:
            try:
                found.append(self.read(document))
            except DocumentCorrupted as error:
                log.warning("left out: %s", error)
        return found

    def invalid(self, document: Mapping[str, object]) -> dict[str, str]:
        """What is wrong with a document, by its fields; empty if it is valid."""
        found = {}
        try:
            check_schema(document)
        except ValueError as error:
            found["schema"] = str(error)
        try:
            self._validator.validate_python(document)
        except ValidationError as error:
            found |= _problems(error)
        return found

    def problem(self, document: Mapping[str, object]) -> str:
        """The first thing that is wrong with a document; empty if it is valid."""
        return next(iter(self.invalid(document).values()), "")

    @cached_property
    def _validator(self) -> SchemaValidator:
        return strict(self.record)


def as_seen(document: Mapping[str, Any], states: StateMachine[S], end: S) -> dict[str, Any]:
    """Finds an invalid document as it was read, for the write that corrects its state to ``end``.

    Raises:
        InvalidTransition: it is in a state that needs no correction: it stays as it is.
    """
    status, fence = document.get("status"), document.get("fence")
    start = next((state for state in states.table if state is not None and state == status), None)
    states.check(start, end, correction=True)
    same = {"_id": document["_id"], **({"status": start} if start else {})}
    if isinstance(fence, int):  # if it moved since, the process that moved it is at work
        same["fence"] = fence
    return same


def strict(record: type[Any]) -> SchemaValidator:
    """What makes instances of a dataclass from documents or parts of them; it raises ``ValueError``."""
    # pydantic's strict mode as a whole would refuse lists for tuples and texts for enums, and a document knows no
    # others.
    return SchemaValidator(_strict(TypeAdapter(record).core_schema))


def _strict(schema: Any) -> Any:
    """The schema with strict scalars: documents know no tuples, enums or dataclasses, but their numbers are numbers."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(_strict, schema))
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    more = STRICT.get(kind, {}) if isinstance(kind, str) else {}
    left_out = "sub_type" if kind == "enum" else None  # with it bytes would do for a text
    return {**more, **{name: _strict(part) for name, part in schema.items() if name != left_out}}


def _problems(error: ValidationError) -> dict[str, str]:
    """The first problem of each field."""
    found: dict[str, str] = {}
    for one in error.errors(include_url=False):
        found.setdefault(str(one["loc"][0]) if one["loc"] else "", _why(one))
    return found


def _why(one: ErrorDetails) -> str:
    name = ".".join(map(str, one["loc"]))
    if one["type"] == "missing":
        return f"{name} is missing"
    what = one["msg"].removeprefix("Value error, ").replace("Input", "it", 1)
    return f"{name} is {ascii(one['input'])[:60]}: {what}" if name else what
