"""Whether a dataclass that was made of a stored document holds what its annotations say: others write there, too."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

T = TypeVar("T")

# For each dataclass that is read from documents, those within it included.
stored = with_config(ConfigDict(strict=True, revalidate_instances="always", arbitrary_types_allowed=True))


def typed(made: T) -> T:
    """``made`` itself, of a class that is ``@stored``.

    Raises:
        TypeError: a field is of another type than its annotation says; the message names it.
    """
    cls: Any = type(made)
    try:
        _adapter(cls).validate_python(made)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise TypeError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return made


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
