"""The artifacts of one run: values in, checked values out, and the manifest in step with them."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeGuard

from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.registry import build, resolve
from rollq.tasks.definition import KWARGS, MODEL, MODULE, component
from rollq.tasks.errors import ArtifactCorrupted, ArtifactMissing, BadInput, ComponentError
from rollq.tasks.tracking.artifacts.codecs import CODECS, Codec, codec_named, codec_of
from rollq.tasks.tracking.artifacts.draft import Draft, add_copies
from rollq.tasks.tracking.artifacts.manifest import DATASET as OF_DATASET
from rollq.tasks.tracking.artifacts.manifest import FILE, MANIFEST, OLD_NAMES, OWN, Manifest, check, safe_name
from rollq.tasks.tracking.artifacts.storage import Storage


class Saves(Protocol):
    """A model of rollq's kind."""

    def save(self, folder: Path) -> None:
        """Write what it is into an existing folder."""


class Artifacts:
    """What a recorder keeps.

    Args:
        storage: where the files are.
        own: this process made the run, so no other process writes its manifest.
        components: further registered classes, which a model may have (the setting ``components``).
        pickle_classes: classes that a pickle may hold (the setting of this name).
    """

    def __init__(
        self, storage: Storage, *, own: bool, components: tuple[str, ...] = (), pickle_classes: tuple[str, ...] = ()
    ) -> None:
        self.storage = storage
        self._own = own
        self._components = components
        self._pickle_classes = pickle_classes
        self._known: Manifest | None = Manifest() if own else None
        self._waiting = Draft()

    def save(self, objects: Mapping[str, object], folder: str | None = None) -> None:
        """Write values, and the manifest with them.

        Raises:
            BadInput: a name or a value cannot be an artifact; none of them was written.
            Unavailable: the place cannot be written; none of them counts as saved.
        """
        draft = self._drafted(objects, folder)
        if clash := [path for path in draft.files if path in OWN]:
            raise BadInput(f"{clash[0]!r} is the recorder's own file.", "Choose another name.")
        self._write(draft)

    def keep(self, objects: Mapping[str, object]) -> None:
        """Keep values, the recorder's own, for the next write."""
        draft = self._drafted(objects)
        self._waiting.files.update(draft.files)
        self._waiting.manifest.put(draft.manifest)

    def write(self) -> None:
        """Write what was kept.

        Raises:
            Unavailable: the place cannot be written; the values are still kept.
        """
        if self._waiting.files:
            self._write(Draft())

    def _write(self, draft: Draft) -> None:
        """Write a draft after what was kept, in one go. If that fails, the draft is dropped."""
        # Read anew unless this process made the run: another process may have written into it since.
        before = self.manifest(fresh=not self._own)
        manifest, parts = copy.deepcopy(before), (self._waiting.manifest, draft.manifest)
        dropped = [path for part in parts for path in manifest.put(part)]
        # Before the files: a process that is killed while it replaces one leaves a manifest that knows both contents.
        self._announce(copy.deepcopy(before), parts)
        # One write with the manifest as its last file: it never names what is not there.
        self.storage.write({**self._waiting.files, **draft.files, MANIFEST: manifest.to_json()})
        self._known, self._waiting = manifest, Draft()
        # Last: until the new manifest is there, the old one names these files.
        self.storage.remove(path for path in dropped if path not in manifest.entries)

    def _announce(self, manifest: Manifest, parts: Sequence[Manifest]) -> None:
        """Say that files are about to be replaced, so that both contents count if this process is killed in between.

        A folder is left out: half of it old and half of it new would be no model.
        """
        coming = {path: part.entries[path] for part in parts for path in part.names.values() if path in part.entries}
        replaced = {path: entry for path, entry in coming.items() if manifest.entries.get(path, entry) != entry}
        if not replaced:
            return
        for path in replaced.keys() & manifest.coming.keys():  # it was announced before: which of the two is there?
            with suppress(ArtifactMissing, ArtifactCorrupted):
                manifest.entries[path] = manifest.entry_of(path, self.storage.read(path))
        manifest.coming.update(replaced)
        self.storage.write({MANIFEST: manifest.to_json()})

    def _drafted(self, objects: Mapping[str, object], folder: str | None = None) -> Draft:
        draft = Draft()
        for name, value in objects.items():
            asked = safe_name(f"{folder}/{name}" if folder else name)
            self._encode(value, asked if isinstance(value, Path) else OLD_NAMES.get(asked, asked), draft)
        return draft

    def load(self, name: str) -> Any:
        """A value.

        Raises:
            ArtifactMissing: there is none of this name, or its file is gone.
            ArtifactCorrupted: its bytes have changed.
        """
        try:
            return self._loaded(name)
        except ArtifactCorrupted:
            if self._own:
                raise
            self.manifest(fresh=True)  # another recorder of this run may have written it since the manifest was read
            return self._loaded(name)

    def _loaded(self, name: str) -> Any:
        """A value, by the manifest as it was read last."""
        manifest = self.manifest()
        kept = self._find(name)
        if kept in manifest.models:
            return self._load_model(kept, manifest.models[kept])
        if kept not in manifest.entries:
            return self.folder(kept)
        content = self.storage.read(kept)
        entry = manifest.entry_of(kept, content)
        if entry.kind == FILE:
            return self.folder(kept)
        if entry.kind == OF_DATASET:
            return build(CODECS["json"].decode(content), f"artifact {name}", self._components)
        return codec_named(entry.kind, self._pickle_classes).decode(content)

    def folder(self, name: str) -> Path:
        """A local file or folder with everything below ``name``, all of it checked.

        Raises:
            ArtifactMissing, ArtifactCorrupted: as ``load``.
        """
        kept = self._find(name)
        manifest = self.manifest()
        root = self.storage.folder(kept)
        if kept in manifest.entries:
            manifest.entry_of(kept, root.read_bytes())
        for path, entry in manifest.below(kept).items():
            part = root / PurePosixPath(path).relative_to(kept)
            if not part.is_file():
                raise ArtifactMissing(f"The artifact {path!r} is gone.", "Train the task again.")
            check(part.read_bytes(), entry, path)
        return root

    def share(self) -> None:
        """From now on others may write, too: the run has ended."""
        self._own = False

    def save_files(self, source: Path, folder: str | None = None) -> None:
        """Save a file under its own name, or what is in a folder.

        Raises:
            BadInput: the folder is empty.
        """
        parts = sorted(source.iterdir()) if source.is_dir() else [source]
        if not parts:
            raise BadInput(f"There is no file in the folder {str(source)!r}.", "Give one that holds files.")
        self.save({part.name: part for part in parts}, folder)

    def copy(self, name: str, folder: Path) -> Path:
        """A copy of what is below ``name`` in ``folder``, all of it checked."""
        found = self.folder(name)
        target = folder / found.name
        if found.is_dir():
            shutil.copytree(found, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target)
        return target

    def names(self, folder: str | None = None) -> list[str]:
        """Names of all artifacts as they are in the store now, or of those in a folder."""
        # Nobody else writes into a run that this process made.
        names = sorted(self.manifest(fresh=not self._own).entries)
        return [name for name in names if folder is None or name.startswith(f"{folder.rstrip('/')}/")]

    def checksums(self) -> dict[str, str]:
        """SHA-256 (hex) of each artifact."""
        return {name: entry.sha256 for name, entry in sorted(self.manifest().entries.items())}

    def manifest(self, *, fresh: bool = False) -> Manifest:
        """What there is; read again if ``fresh``."""
        if self._known is None or fresh:
            try:
                self._known = Manifest.parse(self.storage.read(MANIFEST))
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

    def _encode(self, value: object, name: str, draft: Draft) -> None:
        """Add the files that a value becomes."""
        if isinstance(value, Path):
            add_copies(value, name, draft)
        elif _is_model(value):
            self._add_model(value, name, draft)
        elif isinstance(value, Dataset):
            self._add_dataset(value, name, draft)
        else:
            codec = codec_of(value, self._pickle_classes)
            path = _path_of(name, codec)
            draft.add(name, path, codec.encode(value), codec.name)
            draft.manifest.names[name] = path

    def _add_model(self, model: Saves, name: str, draft: Draft) -> None:
        """Let a model save itself into an empty folder, and take the files along with the name of its class."""
        component = self._component(type(model))
        with tempfile.TemporaryDirectory(prefix="rollq-") as made:
            model.save(Path(made))
            if not any(path.is_file() for path in Path(made).rglob("*")):
                raise BadInput(
                    f"{type(model).__name__}.save(folder) wrote nothing into its folder.",
                    "Write what load(folder) needs into the folder that save is given.",
                )
            add_copies(Path(made), name, draft)
        draft.manifest.models[name] = component

    def _add_dataset(self, dataset: Dataset, name: str, draft: Draft) -> None:
        """What makes a dataset again, with what its processors have learned: its class and its configuration."""
        component = {**self._component(type(dataset)), KWARGS: dataset.to_config()}
        path = _path_of(name, CODECS["json"])
        draft.add(name, path, CODECS["json"].encode(component), OF_DATASET)
        draft.manifest.names[name] = path

    def _component(self, cls: type[object]) -> dict[str, str]:
        """What finds the class of a model again, once it is registered.

        Raises:
            BadInput: nothing does: it was made inside a function or another class.
        """
        if isinstance(stands_for := getattr(cls, "wraps", None), type):
            # An adapter made this class; it makes the same one again from the name of the class that it stands for.
            return {**component(stands_for.__name__), MODULE: stands_for.__module__}
        if cls.__qualname__ != cls.__name__:
            raise BadInput(f"The class {cls.__qualname__} cannot be found again.", "Define it at the top of a module.")
        with suppress(ComponentError):
            # The short name is written if it finds the class: artifacts outlive a move of the class to another module.
            if resolve(component(cls.__name__), MODEL, self._components) is cls:
                return component(cls.__name__)  # also where its package exports it from another module
        return {**component(cls.__name__), MODULE: cls.__module__}

    def _load_model(self, name: str, component: Mapping[str, str]) -> object:
        cls = resolve(dict(component), f"artifact {name}", self._components)
        return cls.load(self.folder(name))


def _path_of(name: str, codec: Codec) -> str:
    """The path of the file of a name: its ending says what is in it.

    Text and bytes may have any ending: their name says what they are. ``pred.pkl``, as the reference calls a frame, is
    ``pred``.
    """
    ending = PurePosixPath(name).suffix
    if ending == codec.suffix or (ending and codec.name in ("text", "bytes")):
        return name
    return safe_name(name.removesuffix(".pkl") + codec.suffix)


def _is_model(value: object) -> TypeGuard[Saves]:
    """Whether a value is a model of rollq's kind: it saves itself into a folder, and its class loads it."""
    both = callable(getattr(value, "save", None)) and callable(getattr(type(value), "load", None))
    return both and not any(codec.holds(value) for codec in CODECS.values())
