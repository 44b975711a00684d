"""The manifest of a recorder's artifacts: SHA-256, size and kind of each, and the libraries that wrote it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath

from rollq.tasks.errors import ArtifactCorrupted, BadInput
from rollq.tasks.tracking.runs.provenance import library_versions

MANIFEST = "manifest.json"
LONG = "long_values.json"  # what the recorder keeps beside the store: texts and names that are too long for it
OWN = (MANIFEST, LONG)  # the recorder's own files
MAX_NAME = 500  # characters of an artifact's name
# What the reference calls an artifact that has another name here.
OLD_NAMES = {"params.pkl": "model", "params": "model"}
FILE = "file"  # the kind of a file that is copied as it is: its name is exact
DATASET = "dataset"  # the kind of a dataset: the component that makes it again, as JSON
ANY_ENDING = ".pkl"  # what the reference gives every value: it says no more than no ending does
ENDINGS = (ANY_ENDING, ".parquet", ".json", ".npy", ".npz", ".txt", ".bin")  # of values


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
    """Entries by the path of their file; ``models`` are folders that hold a model, with the component that loads it;
    ``names`` says which file or folder holds what was saved under a name. ``coming`` is what a file may be already,
    where it is replaced just now, or was when its writer was killed.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    models: dict[str, dict[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    coming: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> Manifest:
        """The manifest in a file.

        Raises:
            ArtifactCorrupted: it is none.
        """
        try:
            found = json.loads(content)
            entries = {safe_name(name): Entry(**entry) for name, entry in found["entries"].items()}
            names = {safe_name(name): safe_name(kept) for name, kept in dict(found.get("names", {})).items()}
            coming = {safe_name(name): Entry(**entry) for name, entry in dict(found.get("coming", {})).items()}
            return cls(entries, dict(found["models"]), names, coming)
        except (ValueError, TypeError, KeyError, AttributeError, BadInput) as error:
            raise ArtifactCorrupted(f"The manifest cannot be read: {error}.", "Train the task again.") from None

    def to_json(self) -> bytes:
        """The content of the file."""
        entries = {name: asdict(entry) for name, entry in sorted(self.entries.items())}
        parts: dict[str, object] = {
            "version": 1,
            "libraries": library_versions(),
            "models": self.models,
            "names": self.names,
        }
        if self.coming:
            parts["coming"] = {name: asdict(entry) for name, entry in sorted(self.coming.items())}
        return json.dumps({**parts, "entries": entries}, indent=1).encode()

    def entry_of(self, path: str, content: bytes) -> Entry:
        """The entry of a file that has this content.

        Raises:
            ArtifactCorrupted: the content is not what was written.
        """
        coming = self.coming.get(path)
        if coming and Entry.of(content, coming.kind) == coming:
            return coming
        check(content, self.entries[path], path)
        return self.entries[path]

    def resolve(self, name: str) -> str | None:
        """The path under which ``name`` is kept: what was saved under it or under another name of the same artifact,
        itself, a folder, what the reference calls so, or its stem.

        Raises:
            BadInput: it is no name of an artifact.
        """
        asked = safe_name(name)
        stem = asked.removesuffix(".pkl")
        for wanted in (asked, stem, OLD_NAMES.get(asked, asked)):
            kept = self.names.get(wanted, wanted)
            if kept in self.entries or self.below(kept):
                return kept
        fitting = {found for found in self.entries if str(PurePosixPath(found).with_suffix("")) == stem}
        fitting |= {self.names[known] for known in self.values_as(asked)}
        return fitting.pop() if len(fitting) == 1 else None

    def put(self, other: Manifest) -> list[str]:
        """Take what another manifest holds; what was saved as the same artifacts before is dropped, and returned.

        Raises:
            BadInput: a name of it is the folder of another, or the other way round.
        """
        again = {name for name in self.names if name in other.names or (other.values_as(name) and self.is_value(name))}
        replaced = {self.names[name] for name in again}
        replaced -= {kept for name, kept in self.names.items() if name not in again}
        dropped = {path for kept in replaced for path in self._parts(kept)}
        left = {path: entry for path, entry in self.entries.items() if path not in dropped}
        _check_apart({*left, *other.entries, *OWN})
        models = {path: model for path, model in self.models.items() if path not in replaced}
        self.coming = {path: entry for path, entry in self.coming.items() if path in left.keys() - other.entries.keys()}
        self.entries = {**left, **other.entries}
        self.models = {**models, **other.models}
        left_names = {name: kept for name, kept in self.names.items() if name not in again}
        self.names = {**left_names, **other.names}
        return sorted(dropped - other.entries.keys())

    def values_as(self, name: str) -> list[str]:
        """The names under which values are kept that are the same artifact as ``name``."""
        return [known for known in self.names if same_artifact(known, name) and self.is_value(known)]

    def is_value(self, name: str) -> bool:
        """Whether a value was saved under a name, not a file or folder that was copied."""
        kept = self.names[name]
        return kept in self.models or (kept in self.entries and self.entries[kept].kind != FILE)

    def _parts(self, kept: str) -> list[str]:
        return [kept] if kept in self.entries else list(self.below(kept))

    def below(self, folder: str) -> Mapping[str, Entry]:
        """The entries of a folder."""
        return {name: entry for name, entry in self.entries.items() if name.startswith(f"{folder}/")}


def same_artifact(one: str, other: str) -> bool:
    """Whether two names mean one artifact: they are equal, or differ in their ending and one of those says nothing.

    So ``pred``, ``pred.pkl`` and ``pred.parquet`` are one, while ``fit.json`` and ``fit.parquet`` are two.
    """
    (stem, bare), (other_stem, other_bare) = _split(one), _split(other)
    return one == other or (stem == other_stem and (bare or other_bare))


def _split(name: str) -> tuple[str, bool]:
    """A name without its ending, and whether that says nothing of the value; other endings are a part of the name."""
    ending = PurePosixPath(name).suffix
    return (name.removesuffix(ending), ending == ANY_ENDING) if ending in ENDINGS else (name, True)


def _check_apart(paths: Collection[str]) -> None:
    """Refuse paths of which one would be the folder of another."""
    for path in paths:
        for folder in map(str, PurePosixPath(path).parents):
            if folder in paths:
                raise BadInput(
                    f"{path!r} and {folder!r} cannot both be artifacts: one would be the folder of the other.",
                    "Choose another name.",
                )


def safe_name(name: object) -> str:
    """``name`` as a relative POSIX path inside the artifact folder.

    Raises:
        BadInput: it is empty, too long, absolute, leaves the folder, or has characters that some file system refuses.
    """
    text = name if isinstance(name, str) else ""
    path = PurePosixPath(text)
    if (
        not path.parts
        or len(text) > MAX_NAME
        # File systems take 255 bytes; the draft of a file has a longer name than the file.
        or any(len(part.encode(errors="replace")) > 200 for part in path.parts)
        or path.is_absolute()
        or ".." in path.parts
        or re.search(r'[\x00-\x1f\x7f\\:*?"<>|%#\ud800-\udfff]', text)
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
