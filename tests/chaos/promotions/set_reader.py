"""A reader: it asks what is online as fast as it can, and looks at whether every set that it sees is whole.

Argument: a file; it stops when the file is there, and prints what it has seen as one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.online.tool import OnlineTool
from rollq.tasks.backend import Backend
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import NotFound
from tests.chaos.promotions.made_rounds import NOTES, POOL, STRATEGY, Whole, fault

TOOL_EVERY = 8  # reads of the ledger: it asks MLflow, too, which takes longer


class Reader:
    """Reads, and collects what is wrong."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._sets = OnlineSets(backend.store)
        self._tool = OnlineTool(backend, STRATEGY, POOL)
        self._rounds: dict[str, Whole] = {}
        self._seen: dict[int, OnlineSet] = {}
        self.reads = self.tool_reads = 0
        self.wrong: list[str] = []

    @property
    def version(self) -> int:
        """The last one that was seen."""
        return max(self._seen, default=0)

    def read(self) -> None:
        """Look once."""
        self.reads += 1
        try:
            online = self._sets.current(STRATEGY)
        except NotFound:
            if self._seen:
                self.wrong.append(f"nothing is online after version {self.version}")
            return
        self.wrong += self._faults(online)
        if self.reads % TOOL_EVERY == 0:
            self._ask_tool()

    def _faults(self, online: OnlineSet) -> Iterator[str]:
        if online.version < self.version:
            yield f"version {online.version} was seen after version {self.version}"
        if online.version in self._seen:
            if online != self._seen[online.version]:
                self._seen[online.version] = online
                yield f"version {online.version} has changed"
            return
        for version in range(self.version + 1, online.version + 1):  # those that came between two looks, too
            try:
                found = online if version == online.version else self._sets.version(STRATEGY, version)
            except NotFound:
                yield f"there is a version {online.version}, and none {version}"
                continue
            self._seen[version] = found
            if why := fault(found, self._whole(found.round_id)):
                yield why

    def _ask_tool(self) -> None:
        """The recorders that serve are those of one set that is online."""
        before = self._sets.current(STRATEGY).version
        found = {recorder.id for recorder in self._tool.online_models()}
        after = self._sets.current(STRATEGY).version
        self.tool_reads += 1
        candidates = [self._sets.version(STRATEGY, version) for version in range(before, after + 1)]
        if not any(found == {model.recorder_id for model in online.models} for online in candidates):
            self.wrong.append(f"OnlineTool showed neither version {before} nor {after}: {sorted(found)}")

    def _whole(self, round_id: str) -> Whole | None:
        if round_id not in self._rounds:
            document = self._backend.store.collection(NOTES).find_one({"_id": round_id})
            if document is None:
                return None
            self._rounds[round_id] = document["variants"]
        return self._rounds[round_id]


def main() -> None:
    """Read until told to stop."""
    stop = Path(sys.argv[1])
    os.nice(10)  # it never rests: those that it watches go first
    reader = Reader(Backend.of(current_settings()))
    with suppress(KeyboardInterrupt):
        while not stop.exists():
            reader.read()
    reader.read()
    seen = {"reads": reader.reads, "tool_reads": reader.tool_reads, "version": reader.version, "wrong": reader.wrong}
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
