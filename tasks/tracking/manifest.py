"""The manifest of a recorder's artifacts: SHA-256, size and kind of each, and the libraries that wrote it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tasks.errors import ArtifactCorrupted, BadInput
from tasks.tracking.provenance import library_versions

MANIFEST = "manifest.json"
MAX_NAME = 500  # characters of an artifact's name
# What the reference calls an artifact that has another name here; other ``.pkl`` names are found by their stem.
OLD_NAMES = {"params.pkl": "model", "params": "model"}


@dataclass(frozen=True)
class Entry:
    """One artifact: SHA-256 (hex), size in bytes, and how the file is read."""

    sha256: str
    size: int
    kind: str

    @classmethod
    def of(cls, content: bytes, kind: str) -> Entry:
        """The entry of a file with this content."""
        return cls(hashlib.sha256(content).hexdigest(), len(content), kind)


@dataclass
class Manifest:
    """Entries by name; ``models`` are folders that hold a model, with the component that loads it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    models: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> Manifest:
        """The manifest in a file.

        Raises:
            ArtifactCorrupted: it is none.
        """
        try:
            found = json.loads(content)
            entries = {safe_name(name): Entry(**entry) for name, entry in found["entries"].items()}
            return cls(entries, dict(found["models"]))
        except (ValueError, TypeError, KeyError, AttributeError, BadInput) as error:
            raise ArtifactCorrupted(f"The manifest cannot be read: {error}.", "Train the task again.") from None

    def to_json(self) -> bytes:
        """The content of the file."""
        entries = {name: asdict(entry) for name, entry in sorted(self.entries.items())}
        parts: dict[str, Any] = {"version": 1, "libraries": library_versions(), "models": self.models}
        return json.dumps({**parts, "entries": entries}, indent=1).encode()

    def resolve(self, name: str) -> str | None:
        """The name under which ``name`` is kept: itself, a folder, what the reference calls so, or its stem.

        Raises:
            BadInput: it is no name of an artifact.
        """
        asked = safe_name(name)
        for wanted in (asked, OLD_NAMES.get(asked, "")):
            if wanted and (wanted in self.entries or self.below(wanted)):
                return wanted
        stem = asked.removesuffix(".pkl")
        fitting = [found for found in self.entries if str(PurePosixPath(found).with_suffix("")) == stem]
        return fitting[0] if len(fitting) == 1 else None

    def below(self, folder: str) -> Mapping[str, Entry]:
        """The entries of a folder."""
        return {name: entry for name, entry in self.entries.items() if name.startswith(f"{folder}/")}


def safe_name(name: Any) -> str:
    """``name`` as a relative POSIX path inside the artifact folder.

    Raises:
        BadInput: it is empty, too long, absolute, leaves the folder, or has characters that some file system refuses.
    """
    path = PurePosixPath(name) if isinstance(name, str) else None
    if (
        path is None
        or not path.parts
        or len(name) > MAX_NAME
        or any(len(part.encode(errors="replace")) > 200 for part in path.parts)
        or path.is_absolute()
        or ".." in path.parts
        or re.search(r'[\x00-\x1f\x7f\\:*?"<>|%#\ud800-\udfff]', name)
        or any(part != part.strip() or part.startswith("~") for part in path.parts)
    ):
        shown = ascii(name)[:80]
        raise BadInput(
            f"{shown} is not the name of an artifact.", "Use a relative path such as 'sig_analysis/ic.parquet'."
        )
    return str(path)


def check(content: bytes, entry: Entry, name: str) -> bytes:
    """``content``, if it is what was written.

    Raises:
        ArtifactCorrupted: it is not.
    """
    if Entry.of(content, entry.kind) != entry:
        raise ArtifactCorrupted(f"The artifact {name!r} is not what was written.", "Train the task again.")
    return content
