"""What a data folder of Qlib holds on each session, as hashes: of the instruments and the fields that a dataset reads.

A session's hash is a sum of one hash for each instrument that has a value there, so it depends neither on the order of
the instruments nor on those that are listed on other days. It is kept in the cache folder until a file changes.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rollq.tasks.files.shared_cache import keep_text

VERSION = 1  # raise it when hashes are made differently
WORD = np.uint64
SUFFIX = ".day.bin"
Spans = Mapping[str, Sequence[tuple[str, str]]]  # of an instrument: the days from and to which it belongs


@dataclass(frozen=True)
class Reads:
    """What of the folder a dataset reads.

    ``fields``: None: all. ``back`` and ``ahead``: sessions around the spans of an instrument that count, too.
    """

    spans: Spans
    fields: frozenset[str] | None
    back: int
    ahead: int


def calendar_of(folder: Path) -> list[str]:
    """The days of the calendar (``YYYY-MM-DD``), sorted."""
    lines = (folder / "calendars" / "day.txt").read_text(encoding="utf-8").split("\n")
    return sorted({line.strip()[:10] for line in lines if line.strip()})


def folder_state(folder: Path, reads: Reads) -> str:
    """A name for the files as they are now, by size and time of change: it changes when a file is written."""
    lines = [str(VERSION), json.dumps([dict(reads.spans), sorted(reads.fields or ()), reads.back, reads.ahead])]
    files = [folder / "calendars" / "day.txt", *sorted((folder / "instruments").glob("*.txt"))]
    for path in (*files, *_files(folder, reads)):
        stat = path.stat()
        lines.append(f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]


def day_contents(folder: Path, reads: Reads, cache_dir: Path) -> dict[str, str]:
    """The hash of each session that has a value, by day."""
    kept = cache_dir / f"qlib-days-{folder_state(folder, reads)}.json"
    try:
        found: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = _hashed(folder, reads)
        keep_text(kept, json.dumps(found))
    return found


def _hashed(folder: Path, reads: Reads) -> dict[str, str]:
    """The hash of each session, made of the files."""
    days = calendar_of(folder)
    sums = np.zeros((2, len(days)), dtype=WORD)
    count = np.zeros(len(days), dtype=np.int64)
    for name, spans in reads.spans.items():
        rows, known = _rows(folder, name, reads.fields, len(days))
        known &= _inside(days, spans, reads.back, reads.ahead)
        for lane in (0, 1):
            # An instrument without a value there adds nothing: it may be listed later.
            sums[lane] += np.where(known, _mixed(rows, _seed(f"{name} {lane}")), WORD(0))
        count += known
    return {day: f"{sums[0, at]:016x}{sums[1, at]:016x}" for at, day in enumerate(days) if count[at]}


def _rows(
    folder: Path, name: str, fields: frozenset[str] | None, length: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Sessions: a hash of an instrument's values, and whether it has one."""
    rows, known = np.zeros(length, dtype=WORD), np.zeros(length, dtype=bool)
    for path in _files_of(folder, name, fields):
        content = np.fromfile(path, dtype="<f4")
        first = int(content[0]) if len(content) else 0
        values = content[1 : 1 + max(0, length - first)]
        good = ~np.isnan(values)
        bits = (values + np.float32(0)).view(np.uint32).astype(WORD)  # -0.0 is 0.0
        rows[first : first + len(values)] += np.where(good, _mixed(bits, _seed(path.name)), WORD(0))
        known[first : first + len(values)] |= good
    return rows, known


def _mixed(values: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """Values scattered over 64 bits (the finalizer of Steele, Lea and Flood, Fast Splittable Pseudorandom Number
    Generators, 2014).
    """
    mixed = values + WORD(seed)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> WORD(shift))) * WORD(factor)
    return mixed ^ (mixed >> WORD(31))


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _inside(days: Sequence[str], spans: Iterable[tuple[str, str]], back: int, ahead: int) -> npt.NDArray[np.bool_]:
    """The sessions on which an instrument's values are read: its spans, and what features and labels reach beyond."""
    inside = np.zeros(len(days), dtype=bool)
    for start, end in spans:
        first, after = bisect_left(days, start), bisect_right(days, end)
        inside[max(0, first - back) : after + ahead] = first < after
    return inside


def _files(folder: Path, reads: Reads) -> Iterator[Path]:
    for name in sorted(reads.spans):
        yield from _files_of(folder, name, reads.fields)


def _files_of(folder: Path, name: str, fields: frozenset[str] | None) -> list[Path]:
    """The files of an instrument; one without a folder has none, as in Qlib."""
    place = folder / "features" / name.lower()
    if fields is None:
        return sorted(place.glob(f"*{SUFFIX}"))
    return [path for field in sorted(fields) if (path := place / f"{field}{SUFFIX}").is_file()]
