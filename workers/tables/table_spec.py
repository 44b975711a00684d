"""What a template says of a table: its main source, and what is joined to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from rollq.tasks.components.registry import did_you_mean
from rollq.tasks.errors import TemplateError
from rollq.workers.tables.source_spec import SOURCE_KEYS, SourceSpec

KEY = "dataset.kwargs"
JOIN_KEYS = (*SOURCE_KEYS, "columns", "prefix", "on", "known", "same_session", "flag")
TABLE_KEYS = (*SOURCE_KEYS, "join")  # the keys of a dataset that say how its table is read


@dataclass(frozen=True)
class JoinSpec:
    """A source that is joined to the main table.

    Args:
        source: where it is.
        columns: names or patterns of the columns that are taken; None: all.
        prefix: put before their names.
        on: columns that both tables have, in place of the instrument.
        known: its column that says when a row was published; None: rows are joined by their time.
        same_session: what is dated a day may be used on that day already.
        flag: the name of a column that is 1 where it has a row, else 0; None: there is no such column.
        key: where it stands in the template.
    """

    source: SourceSpec
    columns: tuple[str, ...] | None = None
    prefix: str = ""
    on: tuple[str, ...] | None = None
    known: str | None = None
    same_session: bool = False
    flag: str | None = None
    key: str = f"{KEY}.join[0]"

    @classmethod
    def of(cls, entry: object, key: str) -> Self:
        """The join that one entry of ``join`` describes.

        Raises:
            TemplateError: a key is unknown, or a value cannot be used.
        """
        if not isinstance(entry, Mapping):
            raise TemplateError("a join is a mapping.", "Write - {path: factors.parquet} under it.", key)
        for name in entry:
            if name not in JOIN_KEYS:
                raise TemplateError(f"unknown key {name!r}.", did_you_mean(str(name), JOIN_KEYS), f"{key}.{name}")
        for name in ("prefix", "known", "flag"):
            if entry.get(name) is not None and (not isinstance(entry[name], str) or not entry[name]):
                raise TemplateError(f"{entry[name]!r} is no text.", f"Write {name} as text.", f"{key}.{name}")
        same = entry.get("same_session", False)
        if not isinstance(same, bool):
            raise TemplateError(f"{same!r} is neither true nor false.", "Use one of them.", f"{key}.same_session")
        return cls(
            SourceSpec.of(entry, key),
            _names(entry.get("columns"), f"{key}.columns"),
            str(entry.get("prefix") or ""),
            _names(entry.get("on"), f"{key}.on"),
            entry.get("known"),
            same,
            entry.get("flag"),
            key,
        )


@dataclass(frozen=True)
class TableSpec:
    """A main source and its joins. Nothing is read to make one."""

    source: SourceSpec
    joins: tuple[JoinSpec, ...] = ()
    key: str = KEY

    @classmethod
    def of(cls, kwargs: Mapping[str, object], key: str = KEY) -> Self:
        """The table that the kwargs of a dataset describe; other keys than ``TABLE_KEYS`` are not looked at.

        Args:
            kwargs: as written: a key that is not there is not the same as one that is null (``instrument``).
            key: where they stand in the template.

        Raises:
            TemplateError: a value cannot be used.
        """
        joins = kwargs.get("join") or ()
        if not isinstance(joins, Sequence) or isinstance(joins, str):
            raise TemplateError("it is a list.", "Write - {path: factors.parquet} under it.", f"{key}.join")
        entries = [JoinSpec.of(entry, f"{key}.join[{position}]") for position, entry in enumerate(joins)]
        return cls(SourceSpec.of(kwargs, key), tuple(entries), key)

    def to_dict(self) -> dict[str, object]:
        """JSON-able: whatever the table depends on beside the content of its files, where they lie too."""
        return asdict(self)


def _names(value: object, key: str) -> tuple[str, ...] | None:
    """A list of names; one name alone is a list, too."""
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) and name for name in names):
        raise TemplateError(f"{value!r} is no list of names.", "Write [eps, book] or f*.", key)
    return tuple(names)
