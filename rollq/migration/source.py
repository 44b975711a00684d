"""Where Qlib's runs are: a folder of MLflow, its database, or its server. Nothing of it is changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rollq.tasks.errors import BadInput

UNREADABLE = "UNREADABLE"  # the status of a run whose own record is broken


@dataclass(frozen=True)
class Point:
    """One value of a metric."""

    name: str
    value: float
    time: int  # milliseconds since 1970, as MLflow counts
    step: int


@dataclass(frozen=True)
class SourceRun:
    """A run as the source has it. ``status`` is MLflow's word; times are milliseconds since 1970."""

    id: str
    name: str
    status: str
    start: int | None = None
    end: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    trouble: str = ""  # why not even its record can be read


class Source(ABC):
    """A tracking store, read only. ``broken`` says of experiments whose own record is broken why."""

    broken: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def experiments(self) -> dict[str, str]:
        """The experiments that are not deleted: their ids by their names."""

    @abstractmethod
    def runs(self, experiment: str) -> Iterator[SourceRun]:
        """The runs of an experiment (by its id) that are not deleted, oldest first.

        Raises:
            Unavailable: the source does not answer.
        """

    @abstractmethod
    def artifacts(self, experiment: str, run: SourceRun) -> dict[str, Path]:
        """Local files with the artifacts of a run, by their names.

        Raises:
            NotFound: the place of the artifacts is gone.
            BadInput: something there is no file, but a link or a device.
            Unavailable: the source does not answer.
        """

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Remove what was copied to read it."""


def files_below(folder: Path) -> dict[str, Path]:
    """Every file of a folder by its path in there.

    Raises:
        BadInput: something is no file, but a link or a device: it could stand for a file of somewhere else.
    """
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    odd = [name for name, path in found.items() if path.is_symlink() or not (path.is_dir() or path.is_file())]
    if odd or folder.is_symlink():
        raise BadInput(f"The artifact {(odd or ['folder'])[0]!r} is a link or a device.", "Copy what it stands for.")
    return {name: path for name, path in found.items() if path.is_file()}
