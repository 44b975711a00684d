"""RecorderCollector gathers artifacts of many runs, each under the identity of its model and its window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from rollq.scheduler.collect.collectors import Collector, Processes
from rollq.scheduler.collect.groups import RollingGroup
from rollq.scheduler.collect.options import FilterFunc, KeyFunc, ListOptions, Loader, Recorders
from rollq.scheduler.collect.recorders import experiment_of
from rollq.scheduler.collect.values import Collected, Process
from rollq.scheduler.collect.window_join import WindowJoin
from rollq.tasks.errors import ArtifactMissing, BadInput, EnsembleError
from rollq.tasks.rolling.model_identity import model_identity, window_of
from rollq.tasks.tracking.runs.experiment import Experiment
from rollq.tasks.tracking.runs.lifecycle import RecorderStatus
from rollq.tasks.tracking.runs.recorder import Recorder
from rollq.tasks.tracking.runs.run_tags import KIND, TASK

Key = TypeVar("Key", bound=Hashable)
SHOWN = 10  # holes that an error names


def recorder_key(recorder: Recorder) -> tuple[str, tuple[str, str | None]]:
    """``(model identity, (test start, test end))`` from the artifact ``task`` of a run.

    Raises:
        ArtifactMissing: the run has none.
        TemplateError: it is no task.
    """
    task = recorder.load_object("task")
    return model_identity(task), window_of(task)


class RecorderCollector(Collector):
    """Collects artifacts of the recorders of an experiment: ``{artifact key: {recorder key: artifact}}``.

    Args:
        experiment: an Experiment, the name of one, or a function that returns recorders.
        process_list: as for ``Collector``, such as ``[RollingGroup()]``.
        rec_key_func: makes the key of a recorder; None: ``recorder_key``, a pair that ``RollingGroup`` understands.
        rec_filter_func: says of a recorder whether it is collected; None: each is.
        artifacts_path: names of artifacts by the key under which they are collected.
        artifacts_key: the keys that are collected, one or several; None: all. ``"__raw"`` is the recorder itself.
        list_kwargs: for ``Experiment.list_recorders``.
        status: collect recorders with this status, or one of these; None: with any.
        allow_missing: leave out what is missing; ``missing`` lists it.
        on_duplicate: of two recorders with one key, ``latest`` takes the one that started later; of a task that was
            trained again that one is always taken.
        loader: called with (recorder, name of an artifact) in place of ``recorder.load_object``.

    Raises:
        NotFound: there is no experiment of this name.
        BadInput: an argument cannot be used.
    """

    ART_KEY_RAW = "__raw"

    def __init__(
        self,
        experiment: Experiment | str | Recorders,
        process_list: Processes = (),
        rec_key_func: KeyFunc | None = None,
        rec_filter_func: FilterFunc | None = None,
        artifacts_path: Mapping[str, str] | None = None,
        artifacts_key: str | Sequence[str] | None = None,
        list_kwargs: ListOptions | None = None,
        status: str | Iterable[str] | None = (RecorderStatus.FINISHED,),
        allow_missing: bool = False,
        on_duplicate: Literal["error", "latest"] = "error",
        loader: Loader | None = None,
    ) -> None:
        """Only the experiment is looked for; its recorders are listed when they are collected."""
        super().__init__(process_list)
        if on_duplicate not in ("error", "latest"):
            raise BadInput(f"on_duplicate {on_duplicate!r} is unknown.", "Use 'error' or 'latest'.")
        self.experiment = experiment_of(experiment)
        self.artifacts_path = dict({"pred": "pred.pkl"} if artifacts_path is None else artifacts_path)
        self.rec_key_func = rec_key_func or recorder_key
        self.rec_filter_func = rec_filter_func
        self.artifacts_key = self._keys(artifacts_key)
        self.list_kwargs: ListOptions = {**(list_kwargs or ListOptions())}
        self.status = None if status is None else {status} if isinstance(status, str) else set(status)
        self.allow_missing = allow_missing
        self.on_duplicate = on_duplicate
        self.loader: Loader = loader or (lambda recorder, name: recorder.load_object(name))
        self.missing: list[tuple[str, str]] = []  # (run id, artifact) that the last collection left out

    def collect(
        self,
        artifacts_key: str | Sequence[str] | None = None,
        rec_filter_func: FilterFunc | None = None,
        only_exist: bool | None = None,
    ) -> dict[str, Collected]:
        """The artifacts by key, then by recorder.

        Recorders are in the order of their keys, so that it does not depend on which worker was faster; with a
        ``rec_key_func``, those that started first come first. Artifacts are read one at a time, after every key is
        known to be unique. Only what is collected is read.

        Args:
            artifacts_key, rec_filter_func: in place of those of the collector.
            only_exist: in place of ``allow_missing``.

        Raises:
            ArtifactMissing: it lists every run and artifact that is missing.
            ArtifactCorrupted: the bytes of one have changed.
            EnsembleError: two recorders have one key; it names both.
            TemplateError: the artifact ``task`` of a recorder is no task.
        """
        names = self.artifacts_key if artifacts_key is None else self._keys(artifacts_key)
        holes: list[tuple[str, str]] = []
        chosen = self._by_key(self._recorders(rec_filter_func or self.rec_filter_func), holes)
        collected: dict[str, Collected] = {}
        for key, name, artifact in self._artifacts(chosen, names, holes):
            collected.setdefault(name, {})[key] = artifact
        self._judge(holes, only_exist)
        return collected

    def __call__(self, *args: object, **kwargs: object) -> Collected:
        """Collect and process, as ``Collector``.

        With a plain ``RollingGroup()`` as the first process each window is forgotten as soon as it was joined, so that
        200 windows need little more memory than the joined frame.

        Raises:
            EnsembleError, ArtifactMissing, ...: as ``collect`` and the processes.
        """
        own = type(self).collect is not RecorderCollector.collect  # of a subclass: then it is to be called
        if not own and not args and not kwargs and self.process_list and _is_plain(self.process_list[0]):
            joined = self._joined()
            if joined is not None:
                return self.process_collect(joined, self.process_list[1:])
        return super().__call__(*args, **kwargs)

    def get_exp_name(self) -> str:
        """The name of the experiment.

        Raises:
            BadInput: the recorders come from a function.
        """
        if not isinstance(self.experiment, Experiment):
            raise BadInput("The recorders come from a function, not from an experiment.", "Pass an experiment.")
        return self.experiment.name

    def _keys(self, artifacts_key: str | Sequence[str] | None) -> list[str]:
        if artifacts_key is None:
            return list(self.artifacts_path)
        keys = [artifacts_key] if isinstance(artifacts_key, str) else list(artifacts_key)
        for key in keys:
            if key not in self.artifacts_path and key != self.ART_KEY_RAW:
                raise BadInput(f"There is no artifact key {key!r}.", f"Known: {', '.join(self.artifacts_path)}.")
        return keys

    def _recorders(self, wanted: FilterFunc | None) -> list[_Run]:
        """Those to collect, the first started first."""
        if isinstance(self.experiment, Experiment):
            options: ListOptions = {**self._asked(), "rtype": "list"}
            listed = self.experiment.list_recorders(**options)
            found = list(listed.values()) if isinstance(listed, dict) else listed
            runs = [_Run(recorder, (place,)) for place, recorder in enumerate(reversed(found))]  # newest come first
        else:
            given = self.experiment()
            given = given.values() if isinstance(given, Mapping) else given
            runs = [_Run(recorder, (str(recorder.start_time or ""),)) for recorder in given]
        return [
            run
            for run in runs
            if (self.status is None or run.recorder.status in self.status)
            and not (self.rec_key_func is recorder_key and _is_of_no_model(run.recorder))
            and (wanted is None or wanted(run.recorder))
        ]

    def _asked(self) -> ListOptions:
        """``list_kwargs``, with the status if there is one: then the store compares it."""
        if self.status is None or len(self.status) != 1 or {"status", "max_results"} & set(self.list_kwargs):
            return self.list_kwargs
        return {**self.list_kwargs, "status": next(iter(self.status))}

    def _by_key(self, runs: list[_Run], holes: list[tuple[str, str]]) -> dict[Hashable, _Run]:
        """One run for each key, the later of two; those whose key cannot be told are added to ``holes``."""
        chosen: dict[Hashable, _Run] = {}
        for run in runs:
            try:
                key = _hashable(self.rec_key_func(run.recorder))
            except ArtifactMissing:
                holes += _hole(run.recorder, "task" if self.rec_key_func is recorder_key else "key")
                continue
            # Popped, not replaced in place: the one that stays takes the place of the later one in the order.
            other = chosen.pop(key, run)
            chosen[key] = run if other is run else self._later(key, other, run)
        if self.rec_key_func is recorder_key:
            return dict(sorted(chosen.items(), key=lambda item: _comparable(item[0])))
        return chosen

    def _later(self, key: Hashable, one: _Run, two: _Run) -> _Run:
        if (self.on_duplicate == "latest" or _is_same_task(one, two)) and one.age != two.age:
            return max(one, two, key=lambda run: run.age)
        raise EnsembleError(
            f"The recorders {one.recorder.id} and {two.recorder.id} have one key: {key!r}.",
            "Pass on_duplicate='latest', a rec_filter_func, or a rec_key_func that tells them apart.",
        )

    def _artifacts(
        self, chosen: dict[Key, _Run], names: Sequence[str], holes: list[tuple[str, str]]
    ) -> Iterator[tuple[Key, str, object]]:
        """(recorder key, artifact key, artifact), one at a time."""
        for key in list(chosen):
            recorder = chosen.pop(key).recorder  # given up: many runs hold more than their predictions
            for name in names:
                try:
                    raw = name == self.ART_KEY_RAW
                    yield key, name, recorder if raw else self.loader(recorder, self.artifacts_path[name])
                except ArtifactMissing:
                    holes += _hole(recorder, self.artifacts_path[name])

    def _joined(self) -> dict[str, Collected] | None:
        """What ``RollingGroup`` makes of the artifacts; None if they cannot be joined one by one."""
        holes: list[tuple[str, str]] = []
        chosen = self._by_key(self._recorders(self.rec_filter_func), holes)
        keyed = {key: run for key, run in chosen.items() if isinstance(key, tuple) and key}
        if self.ART_KEY_RAW in self.artifacts_key or len(keyed) < len(chosen):
            return None
        del chosen  # a run is forgotten as soon as it is joined
        # How many windows each model has: so much room is made at the first of them.
        windows = Counter(key[:-1] for key in keyed)
        try:
            keyed = dict(sorted(keyed.items(), key=lambda item: _comparable(item[0][-1])))
        except TypeError:  # windows that cannot be compared
            return None
        joins: dict[str, dict[Hashable, WindowJoin]] = {}
        for key, name, artifact in self._artifacts(keyed, self.artifacts_key, holes):
            group = key[:-1]
            if not joins.setdefault(name, {}).setdefault(group, WindowJoin(windows[group])).add(artifact):
                return None
        self._judge(holes, None)
        return {
            name: {group: groups.pop(group).joined() for group in windows if group in groups}
            for name, groups in joins.items()
        }

    def _judge(self, holes: list[tuple[str, str]], only_exist: bool | None) -> None:
        self.missing = holes
        if holes and not (self.allow_missing if only_exist is None else only_exist):
            raise _missing(holes)


@dataclass(frozen=True)
class _Run:
    """A recorder; of two, the one with the larger age started later."""

    recorder: Recorder
    age: tuple[int | str, ...]


def _is_of_no_model(recorder: Recorder) -> bool:
    """Whether a run holds the signals of a round: it stands beside the runs of the models, and has no task."""
    return KIND in getattr(recorder, "tags", {})


def _hole(recorder: Recorder, name: str) -> list[tuple[str, str]]:
    return [] if _is_of_no_model(recorder) else [(recorder.id, name)]


def _hashable(key: object) -> Hashable:
    """``key`` with tuples for lists, which a task that was saved by hand may hold."""
    if isinstance(key, list | tuple):
        return tuple(_hashable(part) for part in key)
    if not isinstance(key, Hashable):
        raise BadInput(f"{key!r} is no key of a recorder.", "Let rec_key_func return text, or a tuple of texts.")
    return key


def _is_same_task(one: _Run, two: _Run) -> bool:
    """Whether two runs are trainings of one task: the earlier one may serve still, the later one is its result."""
    tasks = [getattr(run.recorder, "tags", {}).get(TASK) for run in (one, two)]
    return tasks[0] is not None and tasks[0] == tasks[1]


def _comparable(key: object) -> tuple[object, ...]:
    """``key`` for sorting: an open end, None, comes after every date."""
    if isinstance(key, tuple):
        return tuple(_comparable(part) for part in key)
    return (key is None, "" if key is None else key)


def _is_plain(process: Process) -> bool:
    return type(process) is RollingGroup and process.is_plain


def _missing(holes: Sequence[tuple[str, str]]) -> ArtifactMissing:
    shown = ", ".join(f"{artifact!r} of the run {run}" for run, artifact in holes[:SHOWN])
    more = f" and {len(holes) - SHOWN} more" if len(holes) > SHOWN else ""
    return ArtifactMissing(
        f"Missing are {shown}{more}.",
        "Train these windows again, or pass allow_missing=True; runs without a task need a rec_key_func.",
    )
