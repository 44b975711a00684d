"""OnlineTool: marks recorders as online or offline, for those who look at MLflow. The online set is the truth."""

from __future__ import annotations

from collections.abc import Iterable

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.tasks.backend import Backend
from rollq.tasks.errors import NotFound, SettingsError
from rollq.tasks.tracking.manager import MLflowExpManager
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment, find_run
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.experiment import Experiment
from rollq.tasks.tracking.runs.recorder import Recorder

ONLINE_KEY, ONLINE, OFFLINE = "online_status", "online", "offline"  # a tag of runs, and its values


def tag_recorders(tag: str, recorders: Iterable[Recorder]) -> None:
    """Tag recorders.

    Raises:
        SettingsError: the tag is neither ``online`` nor ``offline``.
    """
    if tag not in (ONLINE, OFFLINE):
        raise SettingsError(f"{tag!r} is no online status.", "Use 'online' or 'offline'.")
    for recorder in recorders:
        recorder.set_tags({ONLINE_KEY: tag})
        # Tags are written by a thread; here they are waited for, so that an error is raised where it belongs.
        recorder.flush()


def listed(recorder: Recorder | Iterable[Recorder]) -> list[Recorder]:
    """Recorders, of which one may be given bare."""
    return [recorder] if isinstance(recorder, Recorder) else list(recorder)


def online_tag(recorder: Recorder) -> str:
    """The tag of a recorder; ``offline`` if it has none."""
    return recorder.list_tags().get(ONLINE_KEY, OFFLINE)


def tagged_online(experiment: Experiment) -> dict[str, Recorder]:
    """The recorders of an experiment that are tagged online, by their ids."""
    return {one.id: one for one in experiment.iter_recorders(f"tags.`{ONLINE_KEY}` = '{ONLINE}'")}


class OnlineTool:
    """The tags of one strategy's recorders.

    Args:
        backend: the servers.
        strategy: its name.
        pool: the strategy's task pool, which is its MLflow experiment.
    """

    ONLINE_KEY = ONLINE_KEY
    ONLINE_TAG = ONLINE
    OFFLINE_TAG = OFFLINE

    def __init__(self, backend: Backend, strategy: str, pool: str | None = None) -> None:
        self._backend = backend
        self._strategy = strategy
        self._sets = OnlineSets(backend.store)
        self._experiment = MLflowExperiment.open(pool or strategy, backend.settings.mlflow_uri)

    def set_online_tag(self, tag: str, recorder: Recorder | Iterable[Recorder]) -> None:
        """Tag recorders.

        Raises:
            SettingsError: the tag is neither ``online`` nor ``offline``.
        """
        tag_recorders(tag, listed(recorder))

    def get_online_tag(self, recorder: MLflowRecorder) -> str:
        """The tag of a recorder; ``offline`` if it has none."""
        return online_tag(recorder)

    def online_models(self) -> list[MLflowRecorder]:
        """The recorders that serve now, after the ledger; empty if nothing was ever online."""
        try:
            current = self._sets.current(self._strategy)
        except NotFound:
            return []
        return [find_run(model.recorder_id, self._backend.settings.mlflow_uri) for model in current.models]

    def reset_online_tag(self, recorder: Recorder | Iterable[Recorder]) -> None:
        """Tag recorders, or one, as online, and every other recorder of the experiment that was online as offline.

        The tags alone change; what serves is changed by ``rollq online rollback`` and ``promote``.
        """
        chosen = listed(recorder)
        ids = {one.id for one in chosen}
        before = [one for ident, one in tagged_online(self._experiment).items() if ident not in ids]
        self.set_online_tag(self.OFFLINE_TAG, before)
        self.set_online_tag(self.ONLINE_TAG, chosen)

    def sync(self, online: OnlineSet) -> None:
        """Bring the tags in sync with a set; any number of calls do it once.

        The process that made an earlier set may have died before it wrote the tags: no recorder of any stays online.
        """
        ids = {model.recorder_id for model in online.models}
        uri = self._backend.settings.mlflow_uri
        tagged = tagged_online(self._experiment)
        new = [find_run(ident, uri) for ident in sorted(ids - tagged.keys())]
        # Tasks may have another experiment than their pool's.
        for other in {recorder.experiment_id for recorder in new} - {self._experiment.id}:
            tagged |= tagged_online(MLflowExpManager(uri).get_exp(experiment_id=other, create=False))
        own = {model.recorder_id for earlier in self._sets.history(self._strategy) for model in earlier.models}
        # Of this strategy only: several may share an experiment.
        self.set_online_tag(self.OFFLINE_TAG, [tagged[ident] for ident in sorted(tagged.keys() & own - ids)])
        self.set_online_tag(self.ONLINE_TAG, [recorder for recorder in new if recorder.id not in tagged])
