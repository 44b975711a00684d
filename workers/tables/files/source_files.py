"""The files of a source: one file, a folder with what lies below it, a pattern, or a data folder of Qlib's."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from rollq.tasks.errors import DataError
from rollq.workers.tables.files.file_hashes import file_sha256

PARQUET, CSV, QLIB = "parquet", "csv", "qlib"
SUFFIXES = {
    ".parquet": PARQUET,
    ".pq": PARQUET,
    ".parq": PARQUET,
    ".csv": CSV,
    ".tsv": CSV,
    ".txt": CSV,
    ".csv.gz": CSV,
    ".tsv.gz": CSV,
}
MAGIC = b"PAR1"
NOTHING = "__HIVE_DEFAULT_PARTITION__"  # Hive's name of the folder of rows that have no value


@dataclass(frozen=True)
class SourceFile:
    """A file: where it is, its name relative to the source, its content's hash, and what its folders say."""

    path: Path
    name: str
    sha256: str
    partitions: dict[str, str | None] = field(default_factory=dict, compare=False)

    @property
    def stem(self) -> str:
        """The file's name without its endings."""
        name = Path(self.name).name
        return name[: -len(_suffix(name))] if _suffix(name) else Path(name).stem


@dataclass(frozen=True)
class SourceFiles:
    """The files of a source as they are now.

    Attributes:
        form: parquet, csv or qlib.
        files: by name.
        base: the folder that names are relative to.
        several: it is a folder or a pattern, whose files have names that may mean something.
    """

    form: str
    files: tuple[SourceFile, ...]
    base: Path
    several: bool

    @property
    def title(self) -> str:
        """What a single series is called: the file, or the folder."""
        return self.base.name if self.several else self.files[0].stem

    def sha256(self, titled: bool) -> str:
        """SHA-256 of the contents, and of the names where there are several files: they may say what is in them.

        Args:
            titled: the name of a single file says something, too.
        """
        names = [(one.name if self.several else one.stem if titled else "", one.sha256) for one in self.files]
        return hashlib.sha256(json.dumps([self.form, names]).encode()).hexdigest()


def find_files(path: str, key: str, qlib: tuple[str, str] = ("all", "day")) -> SourceFiles:
    """The files that a path names.

    Args:
        path: a file, a folder or a pattern.
        key: of the template, which names it.
        qlib: market and frequency, if it is a data folder of Qlib's.

    Raises:
        DataError: there is none, or they are of several forms.
    """
    place = Path(path)
    if place.is_dir():
        if (place / "calendars").is_dir() and (place / "features").is_dir():
            return SourceFiles(QLIB, _hashed(_of_qlib(place, key, *qlib), place, key), place, True)
        found, base, several = [one for one in _below(place, key) if _suffix(one.name)], place, True
    elif glob.has_magic(path) and not place.exists():
        found, base, several = _matching(path, key), _base(place), True
    else:
        found, base, several = [place], place.parent, False
    if not found:
        raise DataError(f"{key}: there is no Parquet or CSV file in {path}.", f"Files end with {', '.join(SUFFIXES)}.")
    forms = {_form(one, key) for one in found}
    if len(forms) > 1:
        raise DataError(f"{key}: {path} has files of several forms.", "Name those that are meant: bars/*.parquet.")
    return SourceFiles(forms.pop(), _hashed(found, base, key), base, several)


def _below(folder: Path, key: str) -> list[Path]:
    """Files in a folder and below, sorted; what is hidden, or begins with _ as notes of other programs do, is not."""
    # Links to folders are followed: what a link leads to may be another day's data.
    found = [Path(root, name) for root, _, names in os.walk(folder, followlinks=True) for name in names]
    seen = sorted(one for one in found if _is_seen(one.relative_to(folder)))
    _check_links(seen, key)
    return [one for one in seen if one.is_file()]


def _check_links(found: Collection[Path], key: str) -> None:
    """Refuse a link that leads nowhere: what it led to would be missing without a word."""
    if broken := [one for one in found if one.is_symlink() and not one.exists()]:
        raise DataError(f"{key}: the link {broken[0]} leads to nothing.", "Remove it, or bring back what it led to.")


def _is_seen(name: Path) -> bool:
    return not any(part.startswith(("_", ".")) and "=" not in part for part in name.parts)


def _matching(pattern: str, key: str) -> list[Path]:
    base = _base(Path(pattern))
    found = list(base.glob(str(Path(pattern).relative_to(base))))
    _check_links(sorted(found), key)
    folders = [one for one in found if one.is_dir()]
    inside = [file for folder in folders for file in _below(folder, key) if _suffix(file.name)]
    return sorted({*(one for one in found if one.is_file()), *inside})


def _base(pattern: Path) -> Path:
    """The folder before the first part that is a pattern."""
    base = Path(pattern.anchor)
    for part in pattern.parts[1 if pattern.anchor else 0 :]:
        if glob.has_magic(part):
            break
        base /= part
    return base


def _suffix(name: str) -> str:
    return next((one for one in sorted(SUFFIXES, key=len, reverse=True) if name.lower().endswith(one)), "")


def _form(path: Path, key: str) -> str:
    """Parquet or CSV, by how a file begins and how its name ends."""
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        fix = "Give a file or a folder, relative to the template."
        raise DataError(f"{key}: the file {path} {reason}.", fix) from None
    form = PARQUET if start == MAGIC else SUFFIXES.get(_suffix(path.name), "")
    if not form:
        raise DataError(f"{key}: {path} is neither Parquet nor CSV.", f"Files end with {', '.join(SUFFIXES)}.")
    return form


def _hashed(found: list[Path], base: Path, key: str) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(
            one, one.relative_to(base).as_posix(), file_sha256(one, key), dict(_partitions(one.relative_to(base)))
        )
        for one in found
    )


def _partitions(name: Path) -> Iterator[tuple[str, str | None]]:
    """What the names of folders such as symbol=A say."""
    for part in name.parts[:-1]:
        column, sign, value = part.partition("=")
        if sign and column:
            yield unquote(column), None if value == NOTHING else unquote(value)


def _of_qlib(folder: Path, key: str, market: str, freq: str) -> list[Path]:
    """Calendar, market, and the fields of its instruments."""
    listed = [folder / "calendars" / f"{freq}.txt", folder / "instruments" / f"{market}.txt"]
    for one in listed:
        if not one.is_file():
            there = ", ".join(sorted(path.stem for path in one.parent.glob("*.txt"))) or "none"
            raise DataError(f"{key}: {folder} has no {one.parent.name}/{one.name}.", f"There are: {there}.")
    lines = listed[1].read_text(encoding="utf-8").splitlines()
    symbols = sorted({line.split("\t")[0].strip().lower() for line in lines if line.strip()})
    fields = [one for symbol in symbols for one in sorted((folder / "features" / symbol).glob(f"*.{freq}.bin"))]
    if not fields:
        raise DataError(f"{key}: {folder} has no features/SYMBOL/*.{freq}.bin.", "Give another freq or market.")
    return [*listed, *fields]
