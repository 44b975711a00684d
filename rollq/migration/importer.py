"""Bringing Qlib's runs along: each is read whole, then written whole, once; what served becomes a first online set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rollq.migration.content import Content, read_content
from rollq.migration.first_set import Candidate, doubtful, is_online, lacking, put_online, served_already
from rollq.migration.model_files import model_artifacts
from rollq.migration.report import ExperimentLine, Fate, Report, RunLine
from rollq.migration.source import Source, SourceRun
from rollq.tasks.backend import Backend
from rollq.tasks.errors import BadInput, NotFound, RollqError, StateError, Unavailable
from rollq.tasks.labels import check_label
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.past_run import PastRun, past_runs
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder
from rollq.tasks.tracking.runs.process import Life, Process
from rollq.tasks.tracking.runs.run_tags import IMPORTED, SOURCE_RUN

NOT_COPIED = ("rollq.", "mlflow.runName")  # tags that a run here has of its own


@dataclass(frozen=True)
class Importer:
    """Imports from one source.

    Args:
        backend: the servers.
        source: where the runs are.
        shown: the source, as it is named in the ledger and in reports.
        by: who imports.
        dry_run: everything is read, nothing is written.
        qlib_init: where the data of Qlib are: ``{provider_uri, region}``. Without it models cannot predict later days.
    """

    backend: Backend
    source: Source
    shown: str
    by: str
    dry_run: bool = False
    qlib_init: Mapping[str, object] | None = None

    def run(self, names: Sequence[str] = (), to: str | None = None) -> Report:
        """Import experiments.

        Args:
            names: of the experiments; all that have runs, if none is named.
            to: the name that the one experiment gets here.

        Raises:
            BadInput: several experiments would get one name.
            NotFound: there is no such experiment.
            StateError: another process is importing a run of these.
            Unavailable: the source, the store or MLflow does not answer.
        """
        chosen = self._chosen(names)
        if to is not None:
            check_label(to, "--name")
        if to is not None and len(chosen) > 1:
            raise BadInput(
                f"{len(chosen)} experiments cannot all be called {to!r}.",
                f"Name one: --experiment {next(iter(chosen))}.",
            )
        report = Report(self.shown, self.dry_run)
        for name, ident in chosen.items():
            line = self._experiment(ident, ExperimentLine(name, to or name))
            if line.runs or line.why or names:
                report.experiments.append(line)
        broken = {} if names else self.source.broken
        report.experiments += [ExperimentLine(name, name, why=why) for name, why in broken.items()]
        return report

    def _chosen(self, names: Sequence[str]) -> dict[str, str]:
        found = self.source.experiments()
        if missing := [name for name in names if name not in found]:
            raise NotFound(f"The source has no experiment {missing[0]!r}.", f"It has: {', '.join(found) or 'none'}.")
        return {name: ident for name, ident in found.items() if not names or name in names}

    def _experiment(self, ident: str, line: ExperimentLine) -> ExperimentLine:
        """Import an experiment, unless its name is that of what is online here."""
        line.why = served_already(self.backend, line.to)
        if line.why:
            return line
        known, candidates = self._known(line.to), list[Candidate]()
        for run in self.source.runs(ident):
            made, candidate = self._run(ident, run, line.to, known.get(run.id))
            line.runs.append(made)
            candidates += [candidate] if candidate else []
        if candidates:
            self._first_set(line, candidates, known)
        return line

    def _known(self, name: str) -> dict[str, MLflowRecorder]:
        """The runs that were imported before, by their ids in the source; those that are not whole are removed.

        Raises:
            StateError: the process that writes one lives, or may live.
        """
        experiment = MLflowExperiment.find(name, self.backend.settings.mlflow_uri)
        found = {}
        for recorder in past_runs(experiment) if experiment else ():
            if IMPORTED in recorder.tags:
                found[recorder.tags[SOURCE_RUN]] = recorder
            elif not self.dry_run:
                _remove(recorder)
        return found

    def _run(
        self, experiment: str, run: SourceRun, to: str, known: MLflowRecorder | None
    ) -> tuple[RunLine, Candidate | None]:
        """Import one run, if it is not there; and the model in it, if it served."""
        line = RunLine(run.id, run.name, run.status, Fate.KNOWN)
        if known is not None:
            line = replace(line, recorder_id=known.id)
            return line, _candidate_of(run.id, known) if is_online(run.tags) else None
        try:
            classes = self.backend.settings.pickle_classes
            content = read_content(self.source, experiment, run, classes, self.qlib_init)
            ident = "" if self.dry_run else self._write(run, content, to)
        except Unavailable:
            raise
        except RollqError as error:
            lost = Candidate(run.id, "", {}, "it cannot be read") if is_online(run.tags) else None
            return replace(line, fate=Fate.LEFT_OUT, why=error.message), lost
        fate = Fate.WANTED if self.dry_run else Fate.IMPORTED
        made = replace(line, fate=fate, recorder_id=ident, artifacts=content.names)
        if not is_online(run.tags):
            return made, None
        why = lacking(content.definition, content.model is not None, "pred.pkl" in content.values)
        return made, Candidate(run.id, ident, content.definition or {}, why)

    def _write(self, run: SourceRun, content: Content, to: str) -> str:
        """Write a run that was read whole; returns its id here. One that cannot be written whole is deleted again."""
        uri = self.backend.settings.mlflow_uri
        experiment = MLflowExperiment.open(to, uri)
        past = PastRun(uri, experiment, run.id, run.name, run.start)
        try:
            # Asked after this run can be seen: of two imports at once at least one finds the other.
            if any(other.id != past.id for other in past_runs(experiment, run.id)):
                raise StateError("another process is importing it")
            with TemporaryDirectory(prefix="rollq-") as folder:
                artifacts = {**content.values, **content.files, **model_artifacts(content, Path(folder))}
                if artifacts:
                    past.save(artifacts)
            tags = {key: value for key, value in run.tags.items() if not key.startswith(NOT_COPIED)}
            past.log(run.params, tags, [(one.name, one.value, one.time, one.step) for one in run.points])
        except RollqError:
            past.discard()
            raise
        past.end(run.status, run.end)
        return past.id

    def _first_set(
        self, line: ExperimentLine, candidates: Sequence[Candidate], known: Mapping[str, MLflowRecorder]
    ) -> None:
        """Put online what served in Qlib: all of it, or nothing."""
        line.models, line.not_online = len(candidates), doubtful(candidates)
        if line.not_online or self.dry_run:
            return
        try:
            online, line.new_version = put_online(self.backend, line.to, candidates, known, self.by, self.shown)
        except StateError as error:
            line.not_online = error.message
        else:
            line.version = online.version


def _candidate_of(source_run: str, recorder: MLflowRecorder) -> Candidate:
    """The model of a run that was imported before."""
    names = recorder.list_artifacts()
    definition: Mapping[str, object] = recorder.load_object("task") if "task.json" in names else {}
    has_model = any(name.startswith("model/") for name in names)
    why = lacking(dict(definition), has_model, "pred.parquet" in names)
    return Candidate(source_run, recorder.id, dict(definition), why)


def _remove(recorder: MLflowRecorder) -> None:
    """Remove a run that an import began and did not finish."""
    process = Process.of_tags(recorder.tags)
    if process and process != Process.this() and process.life() is not Life.GONE:
        raise StateError(
            f"Another {process} is importing run {recorder.tags[SOURCE_RUN]}, or died there.",
            f"Wait for it; if it is gone, delete the run {recorder.id} in MLflow.",
        )
    recorder.discard()
