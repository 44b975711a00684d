"""Where the artifacts of a run lie: a folder of this machine, or wherever its MLflow server keeps them."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rollq.tasks.errors import ArtifactMissing, BadInput, Unavailable
from rollq.tasks.tracking.runs.retry import retry

ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class Storage(ABC):
    """Keeps files by name; names were checked by ``safe_name``."""

    @abstractmethod
    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, each whole or not at all.

        Raises:
            Unavailable: they cannot be written.
        """

    @abstractmethod
    def remove(self, names: Iterable[str]) -> None:
        """Remove files that no manifest names any more, where that is easy; they do no harm if they stay."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            ArtifactMissing: there is none.
            Unavailable: the store does not answer.
        """

    @abstractmethod
    def folder(self, name: str) -> Path:
        """A local folder or file that holds what lies under ``name``.

        Raises:
            ArtifactMissing: there is none.
        """

    @property
    def local(self) -> Path | None:
        """The folder on this machine, if it is one."""
        return None


class LocalStorage(Storage):
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def local(self) -> Path | None:
        """The folder."""
        return self._root

    def write(self, files: Mapping[str, bytes]) -> None:
        """All are written first and renamed then, so that neither a kill nor a full disk leaves half of them."""
        try:
            drafts = {name: self._draft(name, content) for name, content in files.items()}
            for name, draft in drafts.items():
                draft.replace(self._root / name)
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise BadInput(
                f"Something else lies where an artifact is to be: {error}.", "Choose another name."
            ) from error
        except OSError as error:
            raise Unavailable(f"Artifacts cannot be written: {error}.", f"Look at {self._root}.") from error

    def _draft(self, name: str, content: bytes) -> Path:
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the rename stays within one file system and is atomic.
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_bytes(content)
        return draft

    def remove(self, names: Iterable[str]) -> None:
        """What lies in the folder by mistake is not worth an error."""
        for name in names:
            with contextlib.suppress(OSError):
                (self._root / name).unlink()

    def read(self, name: str) -> bytes:
        """The content of a file."""
        try:
            return (self._root / name).read_bytes()
        except ABSENT:
            raise _missing(name) from None
        except OSError as error:  # it may be there: who took it for missing would begin anew without it
            raise Unavailable(f"Artifacts cannot be read: {error}.", f"Look at {self._root}.") from error

    def folder(self, name: str) -> Path:
        """The path itself."""
        path = self._root / name
        if not path.exists():
            raise _missing(name)
        return path


class RemoteStorage(Storage):
    """The artifact repository of a run, through its MLflow server or its cloud storage."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    def write(self, files: Mapping[str, bytes]) -> None:
        """One upload of a folder."""
        with tempfile.TemporaryDirectory(prefix="rollq-") as temporary:
            for name, content in files.items():
                path = Path(temporary, *PurePosixPath(name).parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            with _answering():
                retry(lambda: self._client.log_artifacts(self._run_id, temporary))

    def remove(self, names: Iterable[str]) -> None:
        """MLflow has no call for it."""

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with tempfile.TemporaryDirectory(prefix="rollq-") as temporary:
            return self._download(name, temporary).read_bytes()

    def folder(self, name: str) -> Path:
        """A copy in a temporary folder, which stays."""
        return self._download(name, tempfile.mkdtemp(prefix="rollq-"))

    def _download(self, name: str, target: str) -> Path:
        """Bring a file or folder here; an absent one is told from a server that does not answer."""
        try:
            with _answering():
                return Path(self._client.download_artifacts(self._run_id, name, target))
        except Unavailable as error:
            cause = error.__cause__
            absent = isinstance(cause, MlflowException) and cause.error_code == "RESOURCE_DOES_NOT_EXIST"
            # A whole word: the id of a run, which stands in the address, may hold these digits.
            if absent or re.search(r"\b404\b", str(cause)) or isinstance(cause, FileNotFoundError):
                raise _missing(name) from None
            raise


def storage_of(client: MlflowClient, run_id: str, artifact_uri: str) -> Storage:
    """The place that an artifact URI names."""
    parts = urlsplit(artifact_uri)
    if parts.scheme in ("", "file"):
        return LocalStorage(Path(unquote(parts.path)))
    return RemoteStorage(client, run_id)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError) as error:
        raise Unavailable(f"MLflow does not answer: {error}.", "Check MLFLOW_TRACKING_URI.") from error


def _missing(name: str) -> ArtifactMissing:
    return ArtifactMissing(f"There is no artifact {name!r}.", "See the recorder's list_artifacts().")
