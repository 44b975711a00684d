"""What a window can see of the data: the content of the sessions of its segments, and of those around them.

A segment sees its own sessions and those that its features look back to; train and valid see those that their labels
look ahead to, as well. The labels of test measure a model and make none, so what comes after test is not seen: it may
become known later (``rollq predictions update --labels``) without another training.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

TEST = "test"
LEAF = 16  # bytes of the hash of a session, of which a window's hash is made
MARK = 3  # bytes of it that are kept with a task, to tell later which sessions were revised

Segments = Mapping[str, Sequence[Any]]


class Seen:
    """The sessions of a dataset, each with its hash.

    Args:
        sessions: all of them, sorted, as ``YYYY-MM-DD``.
        hashes: of the content of each session; one without content may be left out.
        back: sessions that a session's features look back.
        ahead: sessions that its label looks ahead.
    """

    def __init__(self, sessions: Sequence[str], hashes: Mapping[str, str], back: int = 0, ahead: int = 0) -> None:
        self.sessions = sessions
        self._back, self._ahead = back, ahead
        leaves = (hashlib.sha256(f"{day} {hashes.get(day, '')}".encode()).digest()[:LEAF] for day in sessions)
        self._leaves = np.frombuffer(b"".join(leaves), dtype=np.uint8).reshape(-1, LEAF)

    def data(self, segments: Segments) -> dict[str, dict[str, Any]]:
        """What each segment sees: ``{from, to, sessions, sha256}``, by the name of the segment."""
        return {name: self._data(*self._reach(name, bounds)) for name, bounds in segments.items()}

    def marks(self, segments: Segments) -> dict[str, str]:
        """A mark of each session that each segment sees, as one text (Base64)."""
        made = {}
        for name, bounds in segments.items():
            first, end = self._reach(name, bounds)
            made[name] = base64.b64encode(self._leaves[first:end, :MARK].tobytes()).decode()
        return made

    def changed(self, segments: Segments, marks: Mapping[str, str]) -> tuple[set[str], int]:
        """The sessions that the segments see now with another content, or anew; and how many are gone.

        Args:
            marks: those of an earlier time, as ``marks`` made them for the same segments.
        """
        days, now, before = set(), set(), set()
        for name, bounds in segments.items():
            earlier = set(_split(marks.get(name, "")))
            first, end = self._reach(name, bounds)
            found = {self._mark(position): self.sessions[position] for position in range(first, end)}
            days |= {day for mark, day in found.items() if mark not in earlier}
            now |= set(found)
            before |= earlier
        return days, len(before - now)

    def _data(self, first: int, end: int) -> dict[str, Any]:
        if first >= end:
            return {"from": None, "to": None, "sessions": 0, "sha256": hashlib.sha256().hexdigest()}
        sha256 = hashlib.sha256(self._leaves[first:end].data).hexdigest()
        return {"from": self.sessions[first], "to": self.sessions[end - 1], "sessions": end - first, "sha256": sha256}

    def _mark(self, position: int) -> bytes:
        return self._leaves[position, :MARK].tobytes()

    def _reach(self, name: str, bounds: Sequence[Any]) -> tuple[int, int]:
        """The positions of the first session that is seen, and after the last one."""
        start, end = bounds
        first = 0 if start is None else bisect_left(self.sessions, str(start)[:10])
        after = len(self.sessions) if end is None else bisect_right(self.sessions, str(end)[:10])
        ahead = 0 if name == TEST else self._ahead
        return max(first - self._back, 0), min(after + ahead, len(self.sessions))


def _split(text: str) -> list[bytes]:
    try:
        content = base64.b64decode(text)
    except ValueError:  # the document is not as rollq wrote it: then all of it counts as changed
        return []
    return [content[at:end] for at, end in pairwise(range(0, len(content) + 1, MARK))]
