"""Names and values of a run that are too long for MLflow: shortened in the store, whole in an artifact of the run."""

from __future__ import annotations

from collections.abc import Mapping

from rollq.tasks.errors import ArtifactMissing
from rollq.tasks.tracking.artifacts.artifacts import Artifacts
from rollq.tasks.tracking.artifacts.manifest import LONG
from rollq.tasks.tracking.mlflow.names import escape, is_shortened, text, unescape

POINTER = f"see the artifact {LONG}:"
NAMES, PARAMS, TAGS = "names", "params", "tags"

# Whole texts by what they are: names by their keys in the store, values by their names.
Long = dict[str, dict[str, str]]


class LongTexts:
    """The long texts of one run: those of this process until they are saved, and those in the artifact."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self._own: Long = {PARAMS: {}, TAGS: {}, NAMES: {}}
        self._unsaved = False

    def key(self, name: str) -> str:
        """A name as the store takes it; the whole of a shortened one is kept."""
        key = escape(name)
        if is_shortened(key):
            self._keep(NAMES, key, name)
        return key

    def value(self, part: str, name: str, value: object, most: int) -> str:
        """A value as the store takes it, of ``most`` characters; a longer one is kept, and pointed to."""
        whole = text(value, f"The value of {name!r}")
        if len(whole) <= most:
            return whole
        self._keep(part, name, whole)
        return f"{POINTER} {whole[:100]}..."

    def saved(self) -> Long:
        """The whole texts that the artifact holds."""
        try:
            found: Long = self._artifacts.load(LONG)
        except ArtifactMissing:
            found = {}
        return {part: found.get(part, {}) for part in self._own}

    def save(self) -> None:
        """Add to what is there: another process may have written into this run before."""
        if self._unsaved:
            # What this process logged goes before: it is newer.
            self._own = {part: {**kept, **self._own[part]} for part, kept in self.saved().items()}
            self._artifacts.keep({LONG: self._own})
            self._unsaved = False

    def _keep(self, part: str, key: str, whole: str) -> None:
        self._own[part][key] = whole
        self._unsaved = True


def whole_name(key: str, long: Long) -> str:
    """The name that a key of the store stands for."""
    return long[NAMES][key] if key in long[NAMES] else unescape(key)


def whole_values(found: Mapping[str, str], part: str, long: Long) -> dict[str, str]:
    """Params or tags of the store with their whole names and values."""
    named = {whole_name(key, long): value for key, value in found.items()}
    return {name: long[part].get(name, value) if value.startswith(POINTER) else value for name, value in named.items()}
