"""A draft: files that are to be written into a run in one go, and what its manifest is to say of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rollq.tasks.errors import BadInput
from rollq.tasks.tracking.artifacts.manifest import FILE, Entry, Manifest, safe_name


@dataclass
class Draft:
    """Files that are to be written, and what the manifest is to say of them."""

    files: dict[str, bytes] = field(default_factory=dict)
    manifest: Manifest = field(default_factory=Manifest)

    def add(self, name: str, path: str, content: bytes, kind: str) -> None:
        """One file of what is saved under ``name``."""
        if path in self.files:
            raise BadInput(f"Two of the names mean one file: {path!r}.", "Rename one of them.")
        self.files[path], self.manifest.entries[path] = content, Entry.of(content, kind)


def add_copies(source: Path, name: str, draft: Draft) -> None:
    """Add a file, or the files of a folder.

    Raises:
        BadInput: there is nothing, or something that is neither a file nor a folder.
    """
    try:
        found = {source: name} if source.is_file() else _inside(source, name)
        for path, kept in found.items():
            draft.add(name, kept, path.read_bytes(), FILE)
    except OSError as error:
        raise BadInput(f"{str(source)!r} cannot be read: {error.strerror}.", "Look at its permissions.") from None
    draft.manifest.names[name] = name


def _inside(source: Path, name: str) -> dict[Path, str]:
    if not source.is_dir():
        raise BadInput(f"There is no file or folder {str(source)!r}.", "Give the path of one.")
    found = [path for path in sorted(source.rglob("*")) if path.is_symlink() or not path.is_dir()]
    if not found:
        raise BadInput(f"There is no file in the folder {str(source)!r}.", "Give one that holds files.")
    if odd := [path for path in found if path.is_symlink() or not path.is_file()]:
        raise BadInput(f"{str(odd[0])!r} is no file of its own, but a link or a device.", "Copy what it stands for.")
    return {path: safe_name(f"{name}/{path.relative_to(source).as_posix()}") for path in found}
