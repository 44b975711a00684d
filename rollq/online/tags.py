"""OnlineToolR: models that a person puts online by hand, without a strategy: the tags of their runs are the truth.

Models of a strategy that is kept online are in its ledger, and their tags are synced from it. They are shown here,
too, and updated as the strategy updates them; what of them serves is changed there alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.tool import OFFLINE, ONLINE, ONLINE_KEY, listed, online_tag, tag_recorders, tagged_online
from rollq.tasks.backend import Backend
from rollq.tasks.errors import BadInput, StateError
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.experiment import Experiment
from rollq.tasks.tracking.runs.recorder import Recorder
from rollq.tasks.tracking.workflow import R
from rollq.trainers import TrainerR
from rollq.updating import update_predictions
from rollq.workers.jobs.updaters import PredUpdater, day_of

log = logging.getLogger(__name__)

Recorders = Recorder | Iterable[Recorder]


class OnlineToolR:
    """The recorders of an experiment that are online.

    Args:
        default_exp_name: the experiment that is meant where none is named.
        backend: the servers, which know what strategies serve; None: as for ``TaskManager``.
    """

    ONLINE_KEY = ONLINE_KEY
    ONLINE_TAG = ONLINE
    OFFLINE_TAG = OFFLINE

    def __init__(self, default_exp_name: str | None = None, *, backend: Backend | None = None) -> None:
        """Nothing is asked yet."""
        self.default_exp_name = default_exp_name
        self._given = backend

    def set_online_tag(self, tag: str, recorder: Recorders) -> None:
        """Put recorders online or offline.

        Raises:
            SettingsError: the tag is neither ``online`` nor ``offline``.
            StateError: one that is to go offline serves a strategy.
        """
        chosen = listed(recorder)
        if tag == OFFLINE:
            self._check_free(chosen)
        tag_recorders(tag, chosen)

    def get_online_tag(self, recorder: Recorder) -> str:
        """The tag of a recorder; ``offline`` if it has none."""
        return online_tag(recorder)

    def reset_online_tag(self, recorder: Recorders, exp_name: str | None = None) -> None:
        """Put recorders online, and every other one of the experiment offline.

        Args:
            recorder: one, or several.
            exp_name: the experiment; None: the default one.

        Raises:
            BadInput: there is no default experiment.
            StateError: one that would go offline serves a strategy; nothing was changed.
        """
        chosen = listed(recorder)
        ids = {one.id for one in chosen}
        others = [one for one in self.online_models(exp_name) if one.id not in ids]
        self._check_free(others)
        # Those that come first: there is no moment at which nothing is online.
        tag_recorders(ONLINE, chosen)
        tag_recorders(OFFLINE, others)

    def online_models(self, exp_name: str | None = None) -> list[Recorder]:
        """The recorders of an experiment that are online, the newest first.

        Raises:
            BadInput: there is no default experiment.
        """
        return list(tagged_online(self._experiment(exp_name)).values())

    def update_online_pred(
        self, to_date: object = None, from_date: object = None, exp_name: str | None = None
    ) -> dict[str, int]:
        """Predict the days that the online models lack, in this process.

        Args:
            to_date: the last day; None, or a day after it: the last session of the data.
            from_date: the first day; None: the session after the last one that a model has predicted.
            exp_name: the experiment; None: the default one.

        Returns:
            How many rows were predicted, by the id of the recorder. Of a strategy's models it is the number of days.

        Raises:
            BadInput: there is no default experiment.
            CalendarError, SegmentError: as ``PredUpdater``.
            ArtifactMissing: a recorder does not hold its model and its dataset; it says how to save them.
        """
        found = self.online_models(exp_name)
        serving = self._serving() if found else {}
        done: dict[str, int] = {}
        for strategy in sorted({serving[one.id] for one in found if one.id in serving}):
            done |= self._update_strategy(strategy, to_date, from_date)
        for one in found:
            if one.id not in serving:
                assert isinstance(one, MLflowRecorder)  # noqa: S101 - there are no others
                done[one.id] = len(PredUpdater(one, to_date, from_date, settings=self._backend.settings).update())
        log.info("updated the predictions of %s online models", len(found))
        return {one.id: done.get(one.id, 0) for one in found}

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _backend(self) -> Backend:
        self._given = self._given or Backend.connect()
        return self._given

    def _experiment(self, exp_name: str | None) -> Experiment:
        name = exp_name or self.default_exp_name
        if name is None:
            raise BadInput("No experiment is named.", "Give exp_name, or OnlineToolR(default_exp_name=...).")
        return R.get_exp(experiment_name=name)

    def _update_strategy(self, strategy: str, to_date: object, from_date: object) -> Mapping[str, int]:
        """As the daily routine does it: what was predicted before stays, and what is new stands beside it."""
        start, end = (day_of(day, name) for day, name in ((from_date, "from_date"), (to_date, "to_date")))
        updated = update_predictions(
            self._backend,
            strategy,
            TrainerR,
            "OnlineToolR",
            start=None if start is None else f"{start:%Y-%m-%d}",
            end=None if end is None else f"{end:%Y-%m-%d}",
        )
        return {ident: len(days) for ident, days in updated["days"].items()}

    def _serving(self) -> dict[str, str]:
        """The strategy of every recorder that serves one now, as champion or as challenger."""
        found: dict[str, str] = {}
        for online in OnlineSets(self._backend.store).currents():
            for models in (online.models, *online.challengers.values()):
                found |= {model.recorder_id: online.strategy for model in models}
        return found

    def _check_free(self, recorders: Iterable[Recorder]) -> None:
        """Refuse to put offline what serves a strategy."""
        wanted = list(recorders)
        serving = self._serving() if wanted else {}
        for one in wanted:
            if strategy := serving.get(one.id):
                raise StateError(
                    f"The recorder {one.id} serves strategy {strategy!r}.",
                    f"Change that there: rollq online rollback {strategy}, or give another experiment.",
                )
