"""What a window can see of the data: the content of the sessions of its segments, and of those around them.

A segment sees its own sessions and those that its features look back to, or ahead to where something is known in
advance; train and valid see those that their labels look ahead to, as well. The labels of test measure a model and make
none, so what comes after test is not seen: it may become known later (``rollq predictions update --labels``) without
another training.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.definition import TEST
from rollq.tasks.predictions.session_days import sessions_in

LEAF = 16  # bytes of the hash of a session, of which a window's hash is made
MARK = 3  # bytes of it that are kept with a task, to tell later which sessions were revised

Segments = Mapping[str, Sequence[object]]


def sessions_of(dataset: Dataset) -> list[str]:
    """The sessions of a dataset, as ``YYYY-MM-DD``; one that names the times of its rows has the sessions of these."""
    return sessions_in(dataset.sessions)


class Seen:
    """The sessions of a dataset, each with its hash, of which a window's hash is made (a tree of depth 1, after Merkle,
    A Digital Signature Based on a Conventional Encryption Function, 1987).

    Args:
        sessions: all of them, sorted, as ``YYYY-MM-DD``.
        hashes: of the content of each session; one without content may be left out.
        back: sessions that a session's features look back.
        ahead: sessions that its label looks ahead.
        known: sessions after it of which its features use what is known in advance.
    """

    def __init__(
        self, sessions: Sequence[str], hashes: Mapping[str, str], back: int = 0, ahead: int = 0, known: int = 0
    ) -> None:
        self.sessions = sessions
        self._back, self._ahead, self._known = back, ahead, known
        # The date is hashed, too: a session that moves to another day is another session.
        leaves = (hashlib.sha256(f"{day} {hashes.get(day, '')}".encode()).digest()[:LEAF] for day in sessions)
        self._leaves = np.frombuffer(b"".join(leaves), dtype=np.uint8).reshape(-1, LEAF)

    def data(self, segments: Segments) -> dict[str, dict[str, object]]:
        """What each segment sees: ``{from, to, sessions, sha256}``, by the name of the segment."""
        return {name: self._data(*self._reach(name, bounds)) for name, bounds in segments.items()}

    def marks(self, segments: Segments) -> dict[str, dict[str, str]]:
        """The days that each segment sees and a mark of what is on each, in a form that ``marked_days`` reads."""
        return {name: self._marks(*self._reach(name, bounds)) for name, bounds in segments.items()}

    def _data(self, first: int, end: int) -> dict[str, object]:
        if first >= end:
            return {"from": None, "to": None, "sessions": 0, "sha256": hashlib.sha256().hexdigest()}
        # A window's hash is one of its sessions' hashes, so that hundreds of windows cost no second look at the data.
        sha256 = hashlib.sha256(self._leaves[first:end].data).hexdigest()
        return {"from": self.sessions[first], "to": self.sessions[end - 1], "sessions": end - first, "sha256": sha256}

    def _marks(self, first: int, end: int) -> dict[str, str]:
        days = np.array(self.sessions[first:end], dtype="datetime64[D]").astype(np.int64)
        # A bit for each day of the calendar takes less room than the dates: ten years are some 450 bytes.
        calendar = np.zeros(days[-1] - days[0] + 1 if end > first else 0, dtype=bool)
        calendar[days - days[:1]] = True
        return {
            "days": _text(np.packbits(calendar).tobytes()),
            "hashes": _text(self._leaves[first:end, :MARK].tobytes()),
        }

    def _reach(self, name: str, bounds: Sequence[object]) -> tuple[int, int]:
        """The positions of the first session that is seen, and after the last one."""
        start, end = bounds
        first = 0 if start is None else bisect_left(self.sessions, str(start)[:10])
        after = len(self.sessions) if end is None else bisect_right(self.sessions, str(end)[:10])
        ahead = self._known if name == TEST else max(self._ahead, self._known)
        return max(first - self._back, 0), min(after + ahead, len(self.sessions))


def marked_days(start: object, marks: object) -> dict[str, bytes]:
    """The mark of each session that a segment saw, by its day; nothing if they are not as ``Seen.marks`` makes them.

    Args:
        start: the first day.
    """
    if not isinstance(start, str) or not isinstance(marks, Mapping):
        return {}
    try:
        content, hashes = (base64.b64decode(marks[name]) for name in ("days", "hashes"))
        first = date.fromisoformat(start).toordinal()
    except (LookupError, TypeError, ValueError):
        return {}
    positions = np.flatnonzero(np.unpackbits(np.frombuffer(content, dtype=np.uint8))).tolist()
    days = (date.fromordinal(first + position).isoformat() for position in positions)
    return {day: hashes[at * MARK : (at + 1) * MARK] for at, day in enumerate(days)}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
