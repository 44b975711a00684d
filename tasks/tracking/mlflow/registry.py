"""The model registry of MLflow: versions of registered models, and the aliases that say which one serves.

So that programs that know only MLflow can load ``models:/<strategy>@online``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rollq.tasks.errors import Unavailable
from rollq.tasks.tracking.mlflow.names import MAX_VALUE, quoted
from rollq.tasks.tracking.mlflow.store import as_mlflow_reads
from rollq.tasks.tracking.runs.retry import retry

ONLINE, PREVIOUS = "online", "previous"
MODEL = "model"  # the artifact folder of a run that holds its model
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Candidate:
    """A model that may serve: the run that holds it, the URI of its artifact folder, and tags for its version."""

    run_id: str
    artifact_uri: str
    tags: Mapping[str, str] = field(default_factory=dict)


class ModelRegistry:
    """The registered models at a tracking URI."""

    def __init__(self, uri: str) -> None:
        self._client = MlflowClient(as_mlflow_reads(uri))

    def promote(self, name: str, candidates: Sequence[Candidate]) -> str:
        """Register models as versions of ``name`` and let the last of them serve.

        Its version gets the alias ``online``; the one that had it gets ``previous``. Calling it again with the same
        models changes nothing; calling it with earlier ones is a rollback.

        Returns:
            The version that serves.

        Raises:
            Unavailable: MLflow does not answer.
        """
        try:
            retry(lambda: self._register_name(name))
            known = self._versions(name)
            for one in candidates:
                # A run is registered once, however often the set is synced.
                if one.run_id not in known:
                    known[one.run_id] = self._register(name, one)
            return self._serve(name, known[candidates[-1].run_id])
        except MlflowException as error:
            raise _away(error) from error

    def aliased(self, name: str, alias: str = ONLINE) -> str | None:
        """The version of ``name`` that has an alias, or None."""
        try:
            return str(self._client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise _away(error) from error

    def _register_name(self, name: str) -> None:
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _versions(self, name: str) -> dict[str, str]:
        """Versions by the run that holds their model."""
        found: dict[str, str] = {}
        token = None
        while True:
            page = self._client.search_model_versions(f"name={quoted(name)}", max_results=1_000, page_token=token)
            found |= {str(version.run_id): str(version.version) for version in page}
            token = page.token
            if not token:
                return found

    def _register(self, name: str, one: Candidate) -> str:
        tags = {key: str(value)[:MAX_VALUE] for key, value in one.tags.items()}
        made = self._client.create_model_version(name, f"{one.artifact_uri}/{MODEL}", run_id=one.run_id, tags=tags)
        return str(made.version)

    def _serve(self, name: str, version: str) -> str:
        before = self.aliased(name)
        if before != version:
            # `previous` first: killed in between, `online` still names what served.
            if before is not None:
                self._client.set_registered_model_alias(name, PREVIOUS, before)
            self._client.set_registered_model_alias(name, ONLINE, version)
        return version


def _away(error: MlflowException) -> Unavailable:
    return Unavailable(f"MLflow's model registry does not answer: {error}.", "Check MLFLOW_TRACKING_URI.")
