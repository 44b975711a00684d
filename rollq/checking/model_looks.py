"""Looks at a model: that it trains, predicts the rows that it must, survives save and load, and is the same again."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, field

import pandas as pd

from rollq.checking.frames import difference
from rollq.checking.inspection import Wrong
from rollq.scheduler.signals.coverage import holes_in
from rollq.tasks.components.dataset import Dataset
from rollq.tasks.components.model import Model
from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import DATASET, MODEL, TEST, Definition, kwargs_of, records_of, with_tuples
from rollq.tasks.predictions.fitted_dataset import fitted_dataset
from rollq.tasks.predictions.session_days import on_sessions, sessions_in
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.workers.jobs.prediction import load_model, predict_range
from rollq.workers.jobs.scores import check_learned, checked_scores

LONG = 2.0  # seconds of a training in which a model should have called its checkpoint
ROUNDING = 1e-6  # of products of matrices, which depends on how many rows there are
SEEDED = "Give what draws at random a fixed seed, and one thread; let nothing depend on the time or on a set's order."


@dataclass
class Trained:
    """A window that is trained here: its parts, its run, and what it took in seconds."""

    definition: Definition
    settings: Settings
    dataset: Dataset
    model: Model
    recorder: MLflowRecorder
    seconds: dict[str, float] = field(default_factory=dict)
    scores: pd.Series | None = None

    @classmethod
    def of(cls, definition: Definition, settings: Settings, recorder: MLflowRecorder) -> Trained:
        """Nothing is trained yet."""
        dataset: Dataset = build(definition[DATASET], DATASET, settings.components)
        model: Model = build(definition[MODEL], MODEL, settings.components)
        return cls(definition, settings, dataset, model, recorder)

    def fit(self) -> str:
        """Train the model."""
        taken = inspect.signature(type(self.model).fit).parameters.values()
        if not any(one.name == "checkpoint" or one.kind is one.VAR_KEYWORD for one in taken):
            raise Wrong("fit takes no checkpoint.", "Write def fit(self, dataset, *, checkpoint=None).")
        calls: list[float] = []
        began = time.perf_counter()
        self.model.check_dataset(self.dataset)
        self.model.fit(self.dataset, checkpoint=lambda: calls.append(time.perf_counter()))
        took = self.seconds["fit"] = time.perf_counter() - began
        if took > LONG and not calls:
            fix = "Call checkpoint() in each round of fit: a worker that is stopped waits for it."
            raise Wrong(f"fit took {took:.1f} s and never called its checkpoint.", fix)
        return f"trained in {took:.2f} s, {len(calls)} checkpoints"

    def predict(self) -> str:
        """Predict the test segment."""
        rows = self.dataset.prepare(TEST, "raw").index
        self.scores = checked_scores(self.model.predict(self.dataset, TEST), rows)
        constant = any(kwargs_of(record).get("allow_constant") is True for _, record in records_of(self.definition))
        check_learned(self.scores, allow_constant=constant)
        if holes := holes_in(self.scores.to_frame("score"), rows):
            fix = "Return a finite score for each row of prepare('test', 'raw'), also where features are NaN."
            raise Wrong(f"predict gives no score for {len(holes)} of {len(rows)} rows, such as {holes[0]}.", fix)
        again = checked_scores(self.model.predict(self.dataset, TEST), rows)
        if found := difference(self.scores.to_frame("score"), again.to_frame("score")):
            raise Wrong(f"predict says something else when it is asked twice: {found}.", SEEDED)
        return f"{len(rows)} rows, each with a finite score"

    def saved(self) -> str:
        """Save the model and the dataset, load both, and predict with them: all of test, and its last day alone."""
        task, config = with_tuples(self.definition), self.dataset.to_config()
        self.recorder.save_objects(model=self.model, task=task, dataset=config)
        model = load_model(self.recorder, self.settings.components)
        dataset = fitted_dataset(self.recorder, self.definition[DATASET], self.settings.components)
        scores = self._known()
        loaded = checked_scores(model.predict(dataset, TEST), scores.index)
        if found := difference(scores.to_frame("score"), loaded.to_frame("score")):
            fix = "Let save write all that predict needs, exactly, and load read all of it."
            raise Wrong(f"the model that was loaded predicts something else: {found}.", fix)
        last = sessions_in(scores)[-1]
        later = predict_range(model, dataset, last, last).pred
        own = scores[on_sessions(scores, [last])].to_frame("score")
        if found := difference(own, later, ROUNDING):
            fix = "What a model says of a day must depend on that day's features, not on which days are asked for."
            raise Wrong(f"the last day of test, asked for alone, is predicted otherwise: {found}.", fix)
        return f"{len(self.recorder.checksums())} files; what is loaded predicts the same"

    def repeated(self) -> str:
        """Train the same window again, from the start."""
        other = Trained.of(self.definition, self.settings, self.recorder)
        other.model.fit(other.dataset, checkpoint=lambda: None)
        scores = self._known()
        again = checked_scores(other.model.predict(other.dataset, TEST), scores.index)
        if found := difference(scores.to_frame("score"), again.to_frame("score")):
            raise Wrong(f"the same window, trained again, predicts something else: {found}.", SEEDED)
        return "the same window, trained again, predicts the same"

    def _known(self) -> pd.Series:
        if self.scores is None:
            raise Wrong("there are no predictions to compare with.")
        return self.scores
