"""What was found in a file, for a person, and as plain values."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from rollq.workers.tables.arrow_columns import NUMBER
from rollq.workers.tables.profile.profile import Profile
from rollq.workers.tables.profile.roles import ColumnProfile

SHOWN = 3  # instruments that are named
WORDS = {
    "known": "known in advance?",
    "member": "member flag?",
    "flag": "0 or 1",
    "feature": "",
    "target": "to predict?",
    "empty": "nothing",
}


def lines(profile: Profile) -> Iterator[str]:
    """What was found, line by line."""
    files = f"{profile.files} files" if profile.files > 1 else "one file"
    yield f"{profile.path}: {profile.form}, {files}, {profile.rows} rows."
    yield _times(profile)
    yield _names(profile)
    if profile.doubled:
        yield f"{profile.doubled} rows have a time and an instrument that others have."
    if profile.frequency.missing:
        gaps = "; ".join(f"{_time(start)} to {_time(end)}" for start, end in profile.frequency.gaps)
        yield f"{profile.frequency.missing} times are missing; the longest gaps: {gaps}."
    for key, said in profile.said.items():
        yield f"{key}: {profile.keys[key]}: {said}."


def rows(profile: Profile) -> Iterator[list[str]]:
    """A line of a table for each column: name, kind, missing, zeros, negative, jumps, what it may be."""
    for one in profile.columns:
        number = one.kind == NUMBER
        kind = one.kind if number else f"{one.distinct} texts"
        shares = [_share(one.zeros), _share(one.negative), str(one.jumps or "")] if number else ["", "", ""]
        yield [one.name, kind, _span(one), _share(one.missing), *shares, WORDS.get(one.role, one.role)]


def as_json(profile: Profile) -> dict[str, object]:
    """All of it as plain values."""
    return {
        "path": profile.path,
        "form": profile.form,
        "files": profile.files,
        "keys": profile.keys,
        "time": profile.time,
        "instrument": profile.instrument,
        "zone": profile.zone,
        "rows": profile.rows,
        "doubled": profile.doubled,
        "sessions": len(profile.sessions),
        "frequency": profile.frequency.name,
        "missing_times": profile.frequency.missing,
        "gaps": [[_time(start), _time(end)] for start, end in profile.frequency.gaps],
        "instruments": [
            {"name": one.name, "first": _time(one.first), "last": _time(one.last), "rows": one.rows}
            for one in profile.instruments
        ],
        "columns": [{**vars(one), "role": one.role} for one in profile.columns],
    }


def _times(profile: Profile) -> str:
    """When it begins and ends, how often there are rows, and in which zone."""
    zone = "dates" if profile.dates else f"times in {profile.zone}" if profile.zone else "times without a zone"
    first, last = profile.sessions[0], profile.sessions[-1]
    sessions = f"{len(profile.sessions)} sessions, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return f"Times: {profile.time}, {profile.frequency.name}, {zone}; {sessions}."


def _names(profile: Profile) -> str:
    """How many instruments there are, and those that come late or leave early."""
    spans = profile.instruments
    if profile.instrument is None and len(spans) == 1:
        return f"One series: {spans[0].name}."
    first, last = min(one.first for one in spans), max(one.last for one in spans)
    late, gone = sum(one.first > first for one in spans), sum(one.last < last for one in spans)
    shown = ", ".join(one.name for one in spans[:SHOWN]) + (", ..." if len(spans) > SHOWN else "")
    return f"Instruments: {len(spans)} ({shown}); {late} begin later than the first, {gone} end before the last."


def _time(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d}" if time == time.normalize() else f"{time:%Y-%m-%d %H:%M}"


def _span(column: ColumnProfile) -> str:
    if column.least is None or column.most is None:
        return ""
    return f"{column.least:.4g} to {column.most:.4g}"


def _share(share: float) -> str:
    return "" if not share else f"{share:.1%}" if share >= 0.001 else "<0.1%"
