"""The task stores that the suite runs on: each a real server behind a real socket."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rollq.local.child import Child, free_port
from rollq.local.servers import NATIVE, PYTHON, packaged, start_store

MONGO = os.environ.get("ROLLQ_TEST_MONGO_URI", "")
EMBEDDED = ("native", "python")
VARIANTS = (*EMBEDDED, *(["mongodb"] if MONGO else []))
# Another version of the same distribution, made by `make`: it is not on the path, so rollq cannot import it.
PYTHON_FOLDER = Path(sys.prefix) / "store-python"


@dataclass
class StoreServer:
    """A running store. ``child`` is None for one that the suite did not start."""

    variant: str
    uri: str
    port: int = 0
    folder: Path = Path()
    child: Child | None = None

    @classmethod
    def start(cls, variant: str, folder: Path) -> StoreServer:
        """A server of this variant with its data in ``folder``; a missing one is a failure, never a skip."""
        if variant == "mongodb":
            return cls(variant, MONGO)
        port = free_port()
        found = cls(variant, f"mongodb://127.0.0.1:{port}/?directConnection=true", port, folder)
        found.begin()
        return found

    def begin(self) -> None:
        """Start it on the data that it left."""
        binary, environment = _server(self.variant)
        log = self.folder / "store.log"
        self.child = start_store(self.port, self.folder / "data", log, binary, environment)
        self.child.wait_ready()

    def stop(self) -> None:
        """Stop it, if it is the suite's own."""
        if self.child:
            self.child.stop()


def _server(variant: str) -> tuple[str, dict[str, str]]:
    if variant == "native":
        found = packaged(NATIVE)
        assert found, "the native store is missing: run `make`"
        return found, dict(os.environ)
    found = PYTHON_FOLDER / "bin" / PYTHON
    assert found.exists(), f"{found} is missing: run `make`"
    return str(found), {**os.environ, "PYTHONPATH": str(PYTHON_FOLDER)}
