"""Artifacts: what a recorder keeps, as Parquet, JSON, text or files. No pickle is written or read."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from tasks.errors import ArtifactCorrupted, BadInput
from tasks.identity import canonical

MANIFEST = "manifest.json"
SUFFIXES = {"frame": ".parquet", "series": ".parquet", "json": ".json", "text": ".txt"}


@dataclass(frozen=True)
class Entry:
    """One line of the manifest: SHA-256 (hex), size in bytes, and how the file is read."""

    sha256: str
    size: int
    kind: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def safe_name(name: str) -> str:
    """``name`` as a relative POSIX path inside the artifact folder.

    Raises:
        BadInput: it is empty, absolute, or leaves the folder.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or re.search(r"[\x00-\x1f\\:]", name):
        raise BadInput(
            f"{name!r} is not the name of an artifact.", "Use a relative path such as 'sig_analysis/ic.parquet'."
        )
    return str(path)


def write(value: Any, name: str, folder: Path) -> dict[str, Entry]:
    """Write ``value`` below ``folder``; returns the manifest's lines by artifact name.

    A name without a suffix gets the one of its kind: frames ``.parquet``, JSON values ``.json``.

    Raises:
        BadInput: the value has no safe form.
    """
    name = safe_name(name)
    if isinstance(value, Path):
        return _copy(value, name, folder)
    kind, content = _encode(value)
    full = name if PurePosixPath(name).suffix else name + SUFFIXES[kind]
    target = folder / full
    target.parent.mkdir(parents=True, exist_ok=True)
    if kind in ("frame", "series"):
        content.to_parquet(target, engine="pyarrow", compression="zstd")
    else:
        target.write_text(content, encoding="utf-8")
    return {full: entry_of(target, kind)}


def read(path: Path, entry: Entry, name: str) -> Any:
    """Read an artifact after its checksum was compared.

    Raises:
        ArtifactCorrupted: its bytes are not those that were written.
    """
    check(path, entry, name)
    if entry.kind == "json":
        return json.loads(path.read_text(encoding="utf-8"))
    if entry.kind == "text":
        return path.read_text(encoding="utf-8")
    if entry.kind == "frame":
        return pd.read_parquet(path, engine="pyarrow")
    if entry.kind == "series":
        return pd.read_parquet(path, engine="pyarrow").iloc[:, 0]
    return path


def check(path: Path, entry: Entry, name: str) -> None:
    """Compare a file with its line of the manifest.

    Raises:
        ArtifactCorrupted: they differ.
    """
    if not path.is_file() or entry_of(path, entry.kind) != entry:
        raise ArtifactCorrupted(f"The artifact {name!r} is not what was written.", "Train the task again.")


def entry_of(path: Path, kind: str) -> Entry:
    """The manifest's line of a file."""
    content = path.read_bytes()
    return Entry(hashlib.sha256(content).hexdigest(), len(content), kind)


def _encode(value: Any) -> tuple[str, Any]:
    if isinstance(value, pd.DataFrame):
        return "frame", value
    if isinstance(value, pd.Series):
        return "series", value.to_frame(value.name if value.name is not None else "value")
    if isinstance(value, str):
        return "text", value
    return "json", json.dumps(canonical(value), indent=1, sort_keys=True, allow_nan=False)


def _copy(source: Path, name: str, folder: Path) -> dict[str, Entry]:
    if source.is_dir():
        entries = {}
        for path in sorted(item for item in source.rglob("*") if item.is_file()):
            entries.update(_copy(path, safe_name(f"{name}/{path.relative_to(source).as_posix()}"), folder))
        return entries
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    return {name: entry_of(target, "file")}
