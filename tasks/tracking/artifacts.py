"""The artifacts of one run: values in, checked values out, and the manifest in step with them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.components import resolve
from tasks.errors import ArtifactMissing, BadInput
from tasks.tracking.kinds import KINDS, kind_named, kind_of
from tasks.tracking.manifest import MANIFEST, Entry, Manifest, check, safe_name
from tasks.tracking.place import Place

FILE = "file"


@dataclass
class Waiting:
    """Files that are kept until they are written, their entries, and the models among them."""

    files: dict[str, bytes] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    models: dict[str, dict[str, str]] = field(default_factory=dict)


class Artifacts:
    """What a recorder keeps.

    Args:
        place: where the files are.
        own: this process made the run, so nobody else writes its manifest.
        components: further registered classes, which a model may have (the setting ``components``).
        pickle_classes: classes that a pickle may hold (the setting of this name).
    """

    def __init__(
        self, place: Place, *, own: bool, components: tuple[str, ...] = (), pickle_classes: tuple[str, ...] = ()
    ) -> None:
        self.place = place
        self._own = own
        self._components = components
        self._pickle_classes = pickle_classes
        self._known: Manifest | None = Manifest() if own else None
        self._waiting = Waiting()

    def save(self, objects: Mapping[str, Any], folder: str | None = None) -> None:
        """Write values, and the manifest with them.

        Raises:
            BadInput: a name or a value cannot be an artifact; none of them was written.
            Unavailable: the place cannot be written.
        """
        self.keep(objects, folder)
        self.write()

    def keep(self, objects: Mapping[str, Any], folder: str | None = None) -> None:
        """Keep values for the next ``write``. Raises ``BadInput`` as ``save``."""
        made = Waiting()
        for name, value in objects.items():
            full = safe_name(f"{folder}/{name}" if folder else name)
            for path, content, kind in self._encode(value, full, made.models):
                made.files[path], made.entries[path] = content, Entry.of(content, kind)
        if MANIFEST in made.files:
            raise BadInput(f"{MANIFEST!r} is the name of the manifest.", "Choose another name.")
        for whole, part in zip(vars(self._waiting).values(), vars(made).values(), strict=True):
            whole.update(part)

    def write(self) -> None:
        """Write what was kept, in one go.

        Raises:
            Unavailable: the place cannot be written; the values are still kept.
        """
        if not self._waiting.files:
            return
        manifest = self.manifest(fresh=not self._own)
        manifest.entries.update(self._waiting.entries)
        manifest.models.update(self._waiting.models)
        self.place.write({**self._waiting.files, MANIFEST: manifest.to_json()})
        self._waiting = Waiting()

    def load(self, name: str) -> Any:
        """A value.

        Raises:
            ArtifactMissing: there is none of this name, or its file is gone.
            ArtifactCorrupted: its bytes have changed.
        """
        manifest = self.manifest()
        kept = self._find(name)
        if kept in manifest.models:
            return self._load_model(kept, manifest.models[kept])
        if kept not in manifest.entries:
            return self.folder(kept)
        entry = manifest.entries[kept]
        content = check(self.place.read(kept), entry, kept)
        if entry.kind == FILE:
            return self.folder(kept)
        return kind_named(entry.kind, self._pickle_classes).decode(content)

    def folder(self, name: str) -> Path:
        """A local file or folder with everything below ``name``, all of it checked.

        Raises:
            ArtifactMissing, ArtifactCorrupted: as ``load``.
        """
        kept = self._find(name)
        manifest = self.manifest()
        root = self.place.folder(kept)
        if kept in manifest.entries:
            check(root.read_bytes(), manifest.entries[kept], kept)
        for path, entry in manifest.below(kept).items():
            part = root / PurePosixPath(path).relative_to(kept)
            if not part.is_file():
                raise ArtifactMissing(f"The artifact {path!r} is gone.", "Train the task again.")
            check(part.read_bytes(), entry, path)
        return root

    def manifest(self, *, fresh: bool = False) -> Manifest:
        """What there is; read again if ``fresh``."""
        if self._known is None or fresh:
            try:
                self._known = Manifest.parse(self.place.read(MANIFEST))
            except ArtifactMissing:
                self._known = Manifest()
        return self._known

    def _find(self, name: str) -> str:
        kept = self.manifest().resolve(name)
        if kept is None and not self._own:
            kept = self.manifest(fresh=True).resolve(name)  # another process may have saved it since
        if kept is None:
            raise ArtifactMissing(f"There is no artifact {name!r}.", "See the recorder's list_artifacts().")
        return kept

    def _encode(self, value: Any, name: str, models: dict[str, dict[str, str]]) -> list[tuple[str, bytes, str]]:
        """(name, content, kind) of each file that a value becomes."""
        if isinstance(value, Path):
            return _copies(value, name)
        if _is_model(value):
            models[name] = {"class": type(value).__name__, "module_path": type(value).__module__}
            with tempfile.TemporaryDirectory(prefix="rollq-") as folder:
                value.save(Path(folder))
                return _copies(Path(folder), name)
        kind = kind_of(value, self._pickle_classes)
        full = name if PurePosixPath(name).suffix else name + kind.suffix
        return [(safe_name(full), kind.encode(value), kind.name)]

    def _load_model(self, name: str, component: Mapping[str, str]) -> Any:
        cls = resolve(dict(component), f"artifact {name}", self._components)
        return cls.load(self.folder(name))


def _copies(source: Path, name: str) -> list[tuple[str, bytes, str]]:
    if source.is_file():
        return [(name, source.read_bytes(), FILE)]
    if not source.is_dir():
        raise BadInput(f"There is no file or folder {str(source)!r}.", "Give the path of one.")
    inside = sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
    return [(safe_name(f"{name}/{path.relative_to(source).as_posix()}"), path.read_bytes(), FILE) for path in inside]


def _is_model(value: Any) -> bool:
    """Whether a value is a model of rollq's kind: it saves itself into a folder, and its class loads it."""
    both = callable(getattr(value, "save", None)) and callable(getattr(type(value), "load", None))
    return both and not any(kind.holds(value) for kind in KINDS.values())
