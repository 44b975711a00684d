"""The check of a template: what is looked at, in which order, and what is left out once something before it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rollq.checking import dataset_looks, estimates, record_looks
from rollq.checking.inspection import Wrong, look
from rollq.checking.lookahead import look_ahead
from rollq.checking.model_looks import Trained
from rollq.enqueueing import load_strategy
from rollq.health.check import Check
from rollq.scheduler.strategies.plan import Plan
from rollq.scheduler.strategies.rolling import RollingStrategy
from rollq.tasks.config.settings import Settings
from rollq.tasks.definition import (
    DATASET,
    MODEL,
    ROLE,
    TRAIN,
    Definition,
    class_of,
    planned_test,
    records_of,
    run_name,
    segments_of,
)  # fmt: skip
from rollq.tasks.rolling.members.role import role_of
from rollq.tasks.rolling.online_options import BASE
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.store import local_tracking_uri

EXPERIMENT = "check"


@dataclass
class TemplateCheck:
    """Looks at a template.

    Args:
        path: of the template.
        settings: say which own classes it may name; panels are cached in their state folder.
        folder: an empty one, for runs and copies.
        session: a day of the test segment of the window that is trained; None: the first window.
        debug: let errors that nobody meant through, with their traceback.
    """

    path: Path
    settings: Settings
    folder: Path
    session: str | None = None
    debug: bool = False
    checks: list[Check] = field(default_factory=list)

    def run(self) -> list[Check]:
        """Everything that can be looked at; what needs a part that failed is left out."""
        found: dict[str, Plan] = {}
        strategies: list[RollingStrategy] = []
        if self._look("template", lambda: self._loaded(strategies)):
            (strategy,) = strategies
            if self._look("windows", lambda: self._planned(strategy, found)):
                for number, (name, definition) in enumerate(self._chosen(found)):
                    self._window(strategy, name, definition, found if not number else {})
        return self.checks

    def _loaded(self, strategies: list[RollingStrategy]) -> str:
        strategies.append(load_strategy(self.path, self.settings))
        definition = strategies[0].template.definition
        parts = [class_of(definition[MODEL]), class_of(definition[DATASET])]
        return f"{', '.join(map(str, parts))}, {len(list(records_of(definition)))} records"

    def _planned(self, strategy: RollingStrategy, found: dict[str, Plan]) -> str:
        found.update(strategy.research_plans())
        windows = sum(len(plan.definitions) for plan in found.values())
        left_out = sum(one.left_out for one in strategy.findings())
        odd = f"; {left_out} odd sessions are left out: `rollq data check`" if left_out else ""
        remarks = "".join(f"; {remark}" for plan in found.values() for remark in plan.remarks)
        return f"{windows} windows on {len(strategy.sessions())} sessions{odd}{remarks}"

    def _chosen(self, plans: Mapping[str, Plan]) -> Iterator[tuple[str, Definition]]:
        """The window that is looked at, of each model; of those that differ in their rows alone, of one."""
        for name, plan in plans.items():
            roles: dict[int, Definition] = {}
            for one in plan.definitions:
                start, end = planned_test(one)
                if self.session is None or (start <= self.session and (end is None or self.session <= end)):
                    roles.setdefault(role_of(one).order, one)
            if not roles:
                first, last = plan.sessions[0], plan.sessions[-1]
                raise Wrong(f"No window is tested on {self.session}.", f"--session: from {first} to {last}.")
            for one in roles.values():
                yield (role_of(one).name if ROLE in one else "" if name == BASE else name), one

    def _window(self, strategy: RollingStrategy, name: str, definition: Definition, plans: Mapping[str, Plan]) -> None:
        """Train and look at one window. Its ``plans`` are given where the whole round is estimated by it."""
        prefix, made = f"{name}: " if name else "", list[Trained]()
        components = self.settings.components

        def all_good(*steps: tuple[str, Callable[[], str]]) -> bool:
            return all(self._look(prefix + step, function) for step, function in steps)

        if not all_good(("build", lambda: self._built(definition, made))):
            return
        trained = made[0]
        dataset = trained.dataset
        if not all_good(("calendar", lambda: dataset_looks.calendar(dataset))):
            return
        if not all_good(("rows", lambda: dataset_looks.rows(dataset))):
            return
        if TRAIN in segments_of(definition):
            self._look(f"{prefix}label", lambda: dataset_looks.label_in_features(dataset))
        config = definition[DATASET]
        self._look(f"{prefix}dataset again", lambda: dataset_looks.made_again(dataset, config, components))
        taken = estimates.Memory()
        if not all_good(("fit", trained.fit), ("predict", trained.predict)):
            return
        all_good(("save and load", trained.saved))
        self._look(f"{prefix}train again", trained.repeated)
        began = time.perf_counter()
        wrote = [
            self._look(f"{prefix}{place}", partial(record_looks.record, trained, place, config))
            for place, config in records_of(definition)
        ]
        trained.seconds["record"] = time.perf_counter() - began
        if all(wrote):
            self._look(f"{prefix}gather", lambda: record_looks.gathered(trained))
        if plans:
            every, sessions = list(plans.values()), strategy.sessions()
            self._look("memory", lambda: estimates.memory(trained, every, sessions, taken, self.settings))
            self._look("time", lambda: estimates.duration(trained, every, sessions, self.settings))
        copies = self.folder / trained.recorder.id
        self._look(f"{prefix}future", lambda: look_ahead(definition, dataset, self.settings, copies))

    def _built(self, definition: Definition, made: list[Trained]) -> str:
        """Make the parts of a window, and a run for it in a store of its own."""
        began = time.perf_counter()
        experiment = MLflowExperiment.open(
            EXPERIMENT, local_tracking_uri(self.folder), components=self.settings.components
        )
        recorder = experiment.create_recorder(run_name(definition), {}, start=True)
        since = time.perf_counter()
        made.append(Trained.of(definition, self.settings, recorder))
        made[0].seconds["data"] = time.perf_counter() - since
        segments = ", ".join(f"{name} {start} to {end}" for name, (start, end) in segments_of(definition).items())
        return f"{segments} ({time.perf_counter() - began:.1f} s)"

    def _look(self, name: str, function: Callable[[], str]) -> bool:
        found = look(name, function, debug=self.debug)
        self.checks.append(found)
        return found.ok


def check_template(path: Path, settings: Settings, folder: Path, session: str | None = None) -> list[Check]:
    """What a template would come to: a check for each part of it, in order; raises nothing of the template's.

    Args:
        folder: an empty one, for runs and copies.
        session: a day of the window that is trained; None: the first window.

    Raises:
        Wrong: no window is tested on ``session``.
    """
    with suppress(FileNotFoundError):
        folder.mkdir(parents=True, exist_ok=True)
    return TemplateCheck(path, settings, folder, session).run()
