"""Mutants: the package broken in one place each. The tests that are named with a mutant must see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NATIVE = ("-k", "native")  # the conformance suite, on one store
QLIB_CLASSES = ("tests/unit/workers/qlib/test_classes.py",)
MODEL_LOSSES = ("tests/unit/workers/models/learning/test_losses.py",)
ESTIMATORS = ("tests/unit/workers/models/test_sklearn.py",)
QLIB_TENSORS = ("tests/unit/workers/qlib/test_tensors.py",)
EVALUATION = ("tests/unit/workers/expressions/test_evaluation.py",)
TABLE_TIME = ("tests/unit/workers/datasets/table/test_time.py",)
TABLE = ("tests/unit/workers/datasets/table/test_dataset.py",)
QLIB_DATASETS = ("tests/unit/workers/qlib/test_datasets.py",)


@dataclass(frozen=True)
class Mutant:
    """A defect: in ``file``, ``old`` (which stands there exactly once) becomes ``new``; ``tests`` are for pytest."""

    name: str
    file: str
    old: str
    new: str
    tests: Sequence[str]

    def breaks(self, text: str) -> str:
        """The source ``text`` of the file with the defect.

        Raises:
            ValueError: the place is not found, or not just once.
        """
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"mutant {self.name!r}: its text stands {count} times in {self.file}")
        return text.replace(self.old, self.new)

    def occurrences(self, root: Path) -> int:
        """How often ``old`` stands in the file."""
        return (root / self.file).read_text(encoding="utf-8").count(self.old)


def _conformance(name: str) -> tuple[str, ...]:
    return (f"tests/conformance/{name}.py", *NATIVE)


CLAIMS, CREATING, WINDOW = (
    _conformance("tasks/test_claims"),
    _conformance("tasks/test_creation"),
    _conformance("tasks/test_stager"),
)
ROUNDS, SETS, BY_HAND, CLOCK = (
    _conformance("tasks/test_rounds"),
    _conformance("scheduler/test_online_sets"),
    _conformance("tasks/test_operations"),
    _conformance("tasks/test_clock"),
)
PREFETCH = _conformance("tasks/test_prefetch")
READERS = ("tests/fuzz/test_readers.py",)
LEASE = ("tests/integration/tasks/test_lease.py",)
ONLINE, ROUTINE, COVERAGE, CHALLENGERS = (
    (f"tests/integration/scheduler/test_{name}.py",)
    for name in ("online_manager", "routine", "coverage", "challengers")
)
REVISIONS = ("tests/integration/scheduler/updates/test_revisions.py",)
VERDICT = ("tests/unit/scheduler/rounds/test_verdict.py",)
PRESENCE = ("tests/unit/tasks/rolling/members/test_presence.py",)
JOINED = ("tests/unit/scheduler/signals/test_members.py",)
CHECKING = ("tests/integration/rollq/checking/test_template_check.py", "-k", "Clairvoyant or Rounded")
PROCESS = ("tests/unit/tasks/tracking/test_process.py",)
SERVING = ("tests/integration/scheduler/test_serving_stays.py",)
ROUTINES, LEDGER = _conformance("scheduler/test_routines"), _conformance("scheduler/test_signal_ledger")
KINDS = ("tests/integration/tasks/test_failure_kinds.py",)
TRAINERS = ("tests/integration/rollq/test_trainers.py", "-k", "second_attempt or round_waits or ones_own")
DOCUMENTS = _conformance("tasks/test_dead_letters")
RENEWER = ("tests/unit/tasks/leases/test_renewer.py",)
STOPPED = ("tests/acceptance/test_stopped_holders.py", "-k", "cut_off or published")
START = ("tests/acceptance/test_worker_start.py",)

LOSSES_PY, LEASED_PY = "tasks/queue/losses.py", "tasks/leases/leased_documents.py"
CLAIMS_PY, STAGER_PY, ROUNDS_PY = "tasks/queue/claims.py", "tasks/queue/stager.py", "tasks/rounds/rounds.py"
TASK_STORE_PY, OPERATIONS_PY = "tasks/queue/task_store.py", "tasks/queue/operations.py"

MUTANTS = (
    # -- fences: who held a task once must not write to it later
    Mutant(
        "commit does not look at the fence",
        CLAIMS_PY,
        "commit = transition(self._held_by(claim), ",
        'commit = transition({"_id": claim.task_id}, ',
        CLAIMS,
    ),
    Mutant(
        "renew does not look at the fence",
        LEASED_PY,
        '**self._held, "fence": fence}',
        "**self._held}",
        CLAIMS,
    ),
    Mutant(
        "fail does not look at the fence",
        CLAIMS_PY,
        "write = transition(self._held_by(claim), RUNNING, end, claim.worker, why",
        'write = transition({"_id": claim.task_id}, RUNNING, end, claim.worker, why',
        CLAIMS,
    ),
    Mutant(
        "release does not look at the fence",
        CLAIMS_PY,
        "write = transition(self._held_by(claim), RUNNING, claim.claimed_from,",
        'write = transition({"_id": claim.task_id}, RUNNING, claim.claimed_from,',
        CLAIMS,
    ),
    Mutant(
        "a claim does not raise the fence",
        CLAIMS_PY,
        'worker, "claimed", changes, fence=True)',
        'worker, "claimed", changes, fence=False)',
        CLAIMS,
    ),
    Mutant(
        "a removed task's fence is forgotten",
        OPERATIONS_PY,
        '"$max": {"fence": highest}',
        '"$max": {"fence": 0}',
        BY_HAND,
    ),
    # -- one write, one winner
    Mutant(
        "the state is not in the filter",
        "tasks/queue/documents.py",
        'return {**query, "status": start}, [',
        "return {**query}, [",
        BY_HAND,
    ),
    Mutant(
        "modified_count is ignored",
        TASK_STORE_PY,
        "self.tasks.update_one(*transition).modified_count",
        "self.tasks.update_one(*transition)",
        CLAIMS,
    ),
    Mutant(
        "the same commit again is refused",
        CLAIMS_PY,
        "if not written and not self._shows(",
        "if not written or not self._shows(",
        CLAIMS,
    ),
    Mutant(
        "identity is not unique in the database",
        TASK_STORE_PY,
        '("key", ASCENDING)], unique=True)',
        '("key", ASCENDING)])',
        CREATING,
    ),
    Mutant(
        "a refused commit counts because the next claim was granted",
        CLAIMS_PY,
        "return written == 2",
        "return written >= 1",
        PREFETCH,
    ),
    Mutant(
        "a next claim that was refused is believed",
        CLAIMS_PY,
        "self._is_held(claim, worker)",
        "worker",
        PREFETCH,
    ),
    # -- invalid documents
    Mutant(
        "an invalid document blocks the tasks behind it",
        "tasks/queue/dead_letters.py",
        "if self.sift([ident]):",
        "if not self.sift([ident]):",
        DOCUMENTS,
    ),
    Mutant(
        "an invalid document stops the others of one write",
        "tasks/queue/dead_letters.py",
        "            if not invalid:\n                raise\n",
        "            raise\n",
        DOCUMENTS,
    ),
    # -- leases
    Mutant(
        "a live lease is reclaimed",
        LOSSES_PY,
        'document["lease"]["expires_at"] < now or',
        "True or",
        CLAIMS,
    ),
    Mutant(
        "a lease that was renewed meanwhile is reclaimed",
        LOSSES_PY,
        'lease = {"lease.expires_at": document["lease"]["expires_at"]}',
        "lease: Document = {}",
        CLAIMS,
    ),
    Mutant(
        "leases are judged by this machine's clock",
        "tasks/mongo/client.py",
        "return self._clock[1] + timedelta(seconds=time.monotonic() - self._clock[0])",
        "return datetime.fromtimestamp(time.time(), UTC)",
        CLOCK,
    ),
    Mutant(
        "an attempt goes on though its lease could not be renewed",
        "tasks/leases/renewer.py",
        "if not self._lost and time.monotonic() - self._renewed > self._lease.seconds:",
        "if False:",
        LEASE,
    ),
    Mutant(
        "a coordinator or a routine goes on though its lease is lost",
        "tasks/leases/renewer.py",
        "        if lost := self.lost():\n            raise lost\n",
        "        return\n",
        STOPPED,
    ),
    Mutant(
        "the store is not asked before an online set is published",
        "tasks/leases/renewer.py",
        "if sure and not self.lost():",
        "if False:",
        RENEWER,
    ),
    Mutant(
        "a commit is tried once",
        "tasks/leases/renewer.py",
        "                if self.lost():\n                    raise\n",
        "                raise\n",
        LEASE,
    ),
    Mutant(
        "a worker that Celery gives up ends",
        "workers/process/app.py",
        "return code == EX_FAILURE and ",
        "return False and ",
        START,
    ),
    # -- failures
    Mutant(
        "an exception of MLflow's class that a model raises is tried for ever",
        "tasks/failures.py",
        "return MLFLOW_ANSWER in names or _went_through(error, MLFLOW_WIRE)",
        "return True",
        KINDS,
    ),
    Mutant(
        "losses are not counted",
        LOSSES_PY,
        'losses = document["losses"] + 1',
        'losses = document["losses"]',
        CLAIMS,
    ),
    Mutant(
        "nothing is put into quarantine",
        LOSSES_PY,
        "poison = losses >= self._settings.max_worker_losses",
        "poison = False",
        CLAIMS,
    ),
    Mutant(
        "attempts are not used up",
        CLAIMS_PY,
        "final = error.permanent or failures >= self._settings.max_attempts",
        "final = error.permanent",
        CLAIMS,
    ),
    Mutant(
        "a permanent error is tried again",
        CLAIMS_PY,
        "final = error.permanent or failures",
        "final = failures",
        CLAIMS,
    ),
    Mutant(
        "there is no backoff",
        CLAIMS_PY,
        "if not final and (seconds := ",
        "if final and (seconds := ",
        CLAIMS,
    ),
    Mutant(
        "who tries again by hand keeps the failures",
        OPERATIONS_PY,
        '{**waiting_again(start), "stage": stage, "any_code": any_code}',
        '{"stage": stage}',
        CLAIMS,
    ),
    # -- documents and states
    Mutant(
        "what a newer version wrote is read",
        "tasks/mongo/records.py",
        'if document.get("schema") != SCHEMA:',
        'if document.get("schema") is None:',
        READERS,
    ),
    Mutant(
        "a text is taken for a number",
        "tasks/mongo/records.py",
        "return {**more, **{name",
        "return {**{name",
        READERS,
    ),
    Mutant(
        "a database of an older layout is taken for a new one",
        "tasks/mongo/layout.py",
        'find_one({}, {"schema": 1})',
        'find_one({"schema": SCHEMA})',
        ("tests/integration/tasks/test_layout.py",),
    ),
    Mutant(
        "a change that is no correction is taken for one",
        "tasks/state_machine.py",
        "if correction else frozenset())",
        "if start else frozenset())",
        ("tests/unit/tasks/queue/test_states.py",),
    ),
    Mutant(
        "a gathered round is opened again with its tasks",
        "tasks/rounds/rounds.py",
        'still = {"_id": {"$in": ids}, "status": RoundState.FAILED}',
        'still = {"_id": {"$in": ids}}',
        ROUNDS,
    ),
    # -- results are kept
    Mutant(
        "a task that is trained again forgets its result",
        "tasks/queue/documents.py",
        'kept = {"kept": "$result"} if start is TaskState.DONE else {}',
        'kept = {"kept": None} if start is TaskState.DONE else {}',
        BY_HAND,
    ),
    Mutant(
        "who cancels a training takes the earlier result",
        "tasks/queue/documents.py",
        'return {name: {"$cond": [has_kept, value,',
        'return {name: {"$cond": [False, value,',
        BY_HAND,
    ),
    # -- what serves stays
    Mutant(
        "a new attempt closes the runs of earlier ones, committed or not",
        "workers/jobs/job.py",
        "and attempt_runs.why_lost(recorder, task):",
        "and recorder.tags:",
        SERVING,
    ),
    Mutant(
        "whatever refers to a run, it is closed",
        "tasks/tracking/runs/references.py",
        "if what := self._of_run(recorder):",
        "if what := list[str]():",
        SERVING,
    ),
    Mutant(
        "a run that is finished fails because the answer to its commit was lost",
        "workers/jobs/job.py",
        """                self.backend.tasks.references.close(self._recorder, why)
                return
""",
        "                self._recorder.supersede(why)\n                return\n",
        SERVING,
    ),
    Mutant(
        "tasks that serve are removed",
        OPERATIONS_PY,
        "serving = self._references.of_tasks(ids)",
        "serving = self._references.of_tasks([])",
        SERVING,
    ),
    Mutant(
        "what a model was trained from is asked of its task",
        "scheduler/online/trained.py",
        "return _definition(backend.settings.mlflow_uri, model.recorder_id)",
        "raise ArtifactMissing(pool)",
        SERVING,
    ),
    Mutant(
        "a process number that was given away is believed",
        "tasks/tracking/runs/process.py",
        'return Life.GONE if ticks != self.ticks or state in "ZX" else Life.ALIVE',
        'return Life.GONE if state in "ZX" else Life.ALIVE',
        PROCESS,
    ),
    Mutant(
        "a process in another container is taken for dead",
        "tasks/tracking/runs/process.py",
        "if (self.boot, self.namespace) == (boot, namespace):",
        "if self.boot == boot:",
        PROCESS,
    ),
    # -- whose turn it is
    Mutant(
        "held tasks are claimed",
        CLAIMS_PY,
        "CLAIMABLE = (Stage.NOTIFIED, Stage.STAGED, Stage.UNSTAGED)",
        "CLAIMABLE = (Stage.NOTIFIED, Stage.STAGED, Stage.UNSTAGED, Stage.HELD)",
        BY_HAND,
    ),
    Mutant(
        "the least urgent task is first",
        TASK_STORE_PY,
        'BEST_FIRST = [("priority", DESCENDING),',
        'BEST_FIRST = [("priority", ASCENDING),',
        WINDOW,
    ),
    Mutant(
        "the tasks that are notified of have no bound",
        STAGER_PY,
        "free = max(limit - len(notified), 0)",
        "free = limit",
        WINDOW,
    ),
    Mutant(
        "a process takes what it cannot run",
        CLAIMS_PY,
        "for task in found if task.requested.fit(available)]",
        "for task in found]",
        WINDOW,
    ),
    Mutant(
        "running tasks are removed",
        OPERATIONS_PY,
        'idle = {"status": {"$ne": RUNNING}}',
        "idle: Document = {}",
        BY_HAND,
    ),
    # -- rounds are gathered once
    Mutant(
        "a live gatherer's round is taken",
        ROUNDS_PY,
        '{"status": RoundState.GATHERING, **expired(self._store.now())},\n            ]',
        '{"status": RoundState.GATHERING},\n            ]',
        ROUNDS,
    ),
    Mutant(
        "a replaced gatherer may finish its round",
        LEASED_PY,
        '**self._held, "fence": fence}',
        "**self._held}",
        ROUNDS,
    ),
    Mutant(
        "a delayed round is gathered before its start",
        ROUNDS_PY,
        '{"status": RoundState.OPEN, "held": False, "unblocked": True},',
        '{"status": RoundState.OPEN, "unblocked": True},',
        ROUNDS,
    ),
    Mutant(
        "a round puts two sets online",
        "scheduler/online/ledger.py",
        'create_index([("origin", ASCENDING)], unique=True)',
        'create_index([("origin", ASCENDING)])',
        SETS,
    ),
    Mutant(
        "a round is gathered whatever its policy says",
        "scheduler/rounds/verdict.py",
        "if len(done) >= needed(policy, asked):",
        "if done:",
        VERDICT,
    ),
    Mutant(
        "challengers decide whether a round serves",
        "scheduler/rounds/results.py",
        "return [task for task in self.tasks if variant_of(task.definition) == self.champion]",
        "return list(self.tasks)",
        VERDICT,
    ),
    # -- online models
    Mutant(
        "a round that comes too late changes what serves",
        "scheduler/online/ledger.py",
        "if newer := self._made_later(online.strategy, online.planned_at):",
        "if newer := self._made_later(online.strategy, None):",
        SETS,
    ),
    Mutant(
        "two work on one routine",
        "scheduler/routine/ledger.py",
        """            "$or": [{"lease": None}, expired(self._store.now())],
        }
        if""",
        """        }
        if""",
        ROUTINES,
    ),
    Mutant(
        "who lost a routine still writes to it",
        LEASED_PY,
        '**self._held, "fence": fence}',
        "**self._held}",
        ROUTINES,
    ),
    Mutant(
        "two models may predict one row",
        "scheduler/signals/members.py",
        "if not joined.index.is_unique:",
        "if joined.empty:",
        JOINED,
    ),
    Mutant(
        "the last horizon is the score",
        "scheduler/signals/members.py",
        "horizons = sorted({(member.role.order, member.role.horizon) for member in frames})",
        "horizons = sorted({(-member.role.order, member.role.horizon) for member in frames})",
        JOINED,
    ),
    Mutant(
        "a value has a model before it has labels",
        "tasks/rolling/members/presence.py",
        "if labelled < max(1, min(per.sessions, sessions)):",
        "if labelled < 1:",
        PRESENCE,
    ),
    Mutant(
        "a plan looks for rows on sessions that have not come",
        "tasks/rolling/members/presence.py",
        "last = min(filter(None, (end, known)), default=None) if name == TEST else end",
        "last = end",
        PRESENCE,
    ),
    Mutant(
        "the check lets features see what comes",
        "rollq/checking/lookahead.py",
        "if found := difference(before, after):",
        "if found := difference(before, before):",
        CHECKING,
    ),
    Mutant(
        "signals with holes are published",
        "scheduler/signals/publication.py",
        "if holes and not (allow_gaps and parts):",
        "if holes and not parts:",
        COVERAGE,
    ),
    Mutant(
        "a plan sees sessions that have not come",
        "tasks/rolling/cutter.py",
        "known = bisect_right(self.sessions, session)",
        "known = len(self.sessions)",
        ONLINE,
    ),
    Mutant(
        "what is missing is looked for in what the worker had",
        "scheduler/signals/publication.py",
        "holes |= dict.fromkeys(holes_in(frame, expected))",
        "holes |= dict.fromkeys(holes_in(frame, frame.index))",
        COVERAGE,
    ),
    Mutant(
        "the earlier prediction goes before the later one",
        "scheduler/online/predictions.py",
        "for one in reversed(added):",
        "for one in added:",
        REVISIONS,
    ),
    Mutant(
        "a rule looks at labels that are not known yet",
        "scheduler/champions/promotion.py",
        "days = known[: len(known) - lookahead] if lookahead else known",
        "days = known",
        CHALLENGERS,
    ),
    Mutant(
        "a rollback counts from the version before the rollback",
        "scheduler/online/ledger.py",
        "serves = current.copy_of or current.version",
        "serves = current.version",
        SETS,
    ),
    Mutant(
        "a later entry of signals does not go before an earlier one",
        "scheduler/signals/ledger.py",
        "for entry in reversed(entries):",
        "for entry in entries:",
        LEDGER,
    ),
    # -- what a task is made of
    Mutant(
        "what features look back to is not seen",
        "tasks/ingredients/seen.py",
        "return max(first - self._back, 0), ",
        "return first, ",
        ("tests/unit/tasks/ingredients/test_seen.py",),
    ),
    Mutant(
        "what labels look ahead to is not seen",
        "tasks/ingredients/seen.py",
        "ahead = self._known if name == TEST else max(self._ahead, self._known)",
        "ahead = self._known",
        ("tests/unit/tasks/ingredients/test_seen.py",),
    ),
    Mutant(
        "the code of a component is no part of its task",
        "tasks/identity.py",
        '"data": found["data"], "code": code,',
        '"data": found["data"], "code": {},',
        ("tests/unit/tasks/test_identity.py",),
    ),
    Mutant(
        "a process trains with older code than the task's",
        "tasks/ingredients/code_check.py",
        "if loaded != meant and disk == meant:",
        "if loaded != meant and disk != meant:",
        ("tests/integration/tasks/test_code_check.py",),
    ),
    # -- failures of four kinds
    Mutant(
        "an outage uses up an attempt",
        "tasks/failures.py",
        "return Kind.OUTAGE if is_outage(error) else Kind.OWN",
        "return Kind.OWN",
        KINDS,
    ),
    Mutant(
        "sys.exit in a model ends the worker's process",
        "tasks/failures.py",
        "    if isinstance(error, Exception):\n        return False\n    handlers",
        "    if not isinstance(error, Exception):\n        return True\n    handlers",
        KINDS,
    ),
    Mutant(
        "a full disk is the task's own error",
        "tasks/failures.py",
        "if _is_server_away(error) or is_disk(error):",
        "if _is_server_away(error):",
        KINDS,
    ),
    Mutant(
        "an error that comes again each time is tried again",
        "tasks/failures.py",
        "(BadInput, PermanentError, *DETERMINISTIC)",
        "(BadInput, PermanentError)",
        KINDS,
    ),
    Mutant(
        "a process that was asked to end is a loss",
        LOSSES_PY,
        'if ends.get(lease["worker"]) in ASKED:',
        "if False:",
        KINDS,
    ),
    Mutant(
        "a worker that is killed while it drains is a loss",
        LOSSES_PY,
        'if lease.get("asked"):',
        "if False:",
        KINDS,
    ),
    Mutant(
        "a lease that nobody could renew is a loss",
        LOSSES_PY,
        'if not blamed and lease["worker"] not in dead:',
        "if False:",
        KINDS,
    ),
    Mutant(
        "an outage fails a round",
        "scheduler/rounds/coordinator.py",
        "if kind is Kind.OWN:",
        "if True:",
        KINDS,
    ),
    Mutant(
        "a routine does not wait for its data",
        "workers/jobs/job.py",
        "if ROUTINE not in self.claim.definition:",
        "if True:",
        KINDS,
    ),
    Mutant(
        "a process does not rest after an outage",
        "workers/jobs/attempt.py",
        "if time.monotonic() < _rests_until:",
        "if False:",
        KINDS,
    ),
    Mutant(
        "a second attempt trains into the run that was scheduled for the first",
        "tasks/queue/documents.py",
        "scheduled_run=found.scheduled_run if found.scheduled_for == found.attempts + 1 else None,",
        "scheduled_run=found.scheduled_run,",
        TRAINERS,
    ),
    Mutant(
        "a run that an open round waits for may be deleted",
        "tasks/tracking/runs/references.py",
        "chain(self._serving(runs), self._waited_for(runs))",
        "self._serving(runs)",
        TRAINERS,
    ),
    Mutant(
        "workers take tasks that only a function of the user's own can train",
        "scheduler/rounds/trainers.py",
        '{"queue": OWN_QUEUE, **self._options} if own else self._options',
        "self._options",
        TRAINERS,
    ),
    Mutant(
        "a file of Qlib's may name whatever can be imported",
        "workers/qlib/classes.py",
        'if not isinstance(found, type) or not f"{found.__module__}.".startswith(PREFIX):',
        "if found is None:",
        QLIB_CLASSES,
    ),
    Mutant(
        "text that names a foreign class reaches Qlib, which imports it",
        "workers/qlib/classes.py",
        "if DOTTED.fullmatch(stripped) and not stripped.startswith(PREFIX):",
        "if False:",
        QLIB_CLASSES,
    ),
    Mutant(
        "Python in an expression reaches Qlib, which evaluates it",
        "workers/qlib/classes.py",
        "if EXPRESSION.search(stripped) and not TOKENS.fullmatch(stripped):",
        "if False:",
        QLIB_CLASSES,
    ),
    Mutant(
        "later days are processed by what is there now, and not as the model was trained",
        "workers/qlib/data/handlers.py",
        "restore(_processors(made), states)",
        "pass",
        QLIB_DATASETS,
    ),
    Mutant(
        "a frame of another state of Qlib's data is taken for that of now",
        "workers/qlib/data/frames.py",
        "json.dumps([VERSION, libraries, self._state, parts])",
        "json.dumps([VERSION, libraries, parts])",
        QLIB_DATASETS,
    ),
    # -- models
    Mutant(
        "grades of relevance are quantiles of all times together",
        "workers/models/learning/targets.py",
        "by_time = pd.Series(np.asarray(label, np.float64)).groupby(times)",
        "by_time = pd.Series(np.asarray(label, np.float64)).groupby(times * 0)",
        MODEL_LOSSES,
    ),
    Mutant(
        "labels that a loss does not take are learned from",
        "workers/models/learning/losses.py",
        "if len(wrong := np.flatnonzero(~taken.fits(label))):",
        "if len(wrong := np.flatnonzero(~taken.fits(label))) > len(label):",
        MODEL_LOSSES,
    ),
    Mutant(
        "the weights of rows have no effect",
        "workers/models/lightgbm_training.py",
        "weight=rows.weight,",
        "weight=None,",
        MODEL_LOSSES,
    ),
    Mutant(
        "a saved estimator may hold what a module merely imports",
        "workers/models/scikit/stored.py",
        "return is_theirs(getattr(importlib.import_module(module), name, None), (*allowed, *PLAIN))",
        "return True",
        ESTIMATORS,
    ),
    Mutant(
        "an estimator is imported from wherever it is said to be",
        "workers/models/scikit/estimators.py",
        "    if package not in allowed:",
        "    if False:",
        ESTIMATORS,
    ),
    Mutant(
        "a storage of PyTorch is unpickled like any pickle",
        "workers/qlib/tensors.py",
        "map_location=_place(), weights_only=True)",
        "map_location=_place(), weights_only=False)",
        QLIB_TENSORS,
    ),
    Mutant(
        "a tensor of a pickle shows memory that is not its own",
        "workers/qlib/tensors.py",
        "or (0 not in size and last >= len(cast(Sized, numbers)))",
        "",
        QLIB_TENSORS,
    ),
    Mutant(
        "a network of a pickle calls what it holds, whatever that is",
        "workers/qlib/pickles.py",
        "tensors.check_modules(gate.built, more)",
        "tensors.check_modules((), more)",
        QLIB_TENSORS,
    ),
    Mutant(
        "what a model draws depends on what the process has drawn",
        "workers/qlib/draws.py",
        "            self._begin()\n",
        "",
        ("tests/unit/workers/qlib/test_draws.py",),
    ),
    Mutant(
        "a lease is warned of whose task was just committed",
        "tasks/leases/renewer.py",
        "isinstance(error, LeaseLost) and self._done.wait(self._pause)",
        "False",
        ("tests/unit/tasks/leases/test_renewer.py",),
    ),
    # -- expressions
    Mutant(
        "a lag sees the row ahead",
        "workers/expressions/functions/other_rows.py",
        'return at(grid, values[0], -span_of(options, "distance"))',
        'return at(grid, values[0], span_of(options, "distance"))',
        EVALUATION,
    ),
    Mutant(
        "a window is one row longer than it says",
        "workers/expressions/kernels/window.py",
        "return cls(span.steps, least)",
        "return cls(span.steps + 1, least)",
        EVALUATION,
    ),
    Mutant(
        "what is joined is one row too near",
        "workers/expressions/kernels/doubling.py",
        "part = _all_later(state, covered, empty)",
        "part = _all_later(state, max(covered - 1, 0), empty)",
        ("tests/unit/workers/expressions/test_windows.py",),
    ),
    Mutant(
        "a feature may look ahead of any column",
        "workers/expressions/expression.py",
        "if lead is None or column not in lead:",
        "if lead is None:",
        ("tests/unit/workers/expressions/test_expression.py",),
    ),
    Mutant(
        "what is not of the universe counts across instruments",
        "workers/expressions/kernels/across.py",
        "np.where(seen & np.isfinite(one[part]), one[part], np.nan)",
        "np.where(np.isfinite(one[part]), one[part], np.nan)",
        ("tests/unit/workers/expressions/test_across.py",),
    ),
    Mutant(
        "a function of one's own may look ahead",
        "workers/expressions/functions/own.py",
        "if not np.allclose(before, found[: half + 1], rtol=CLOSE, atol=0, equal_nan=True):",
        "if before is None:",
        ("tests/unit/workers/expressions/test_own.py",),
    ),
    Mutant(
        "a figure is known on the day of its publication",
        "workers/tables/joined_rows.py",
        "(0 if same_session else DAY)",
        "0",
        ("tests/unit/workers/tables/test_joins.py",),
    ),
    Mutant(
        "a late revision of an old period takes a newer one's place",
        "workers/tables/joined_rows.py",
        "newest = np.maximum.accumulate(combined) if len(combined) else combined",
        "newest = combined",
        ("tests/unit/workers/tables/test_joins.py",),
    ),
    Mutant(
        "a period is known when it begins",
        "workers/tables/joined_rows.py",
        "days = published.days if published.ends is None else published.ends",
        "days = published.days",
        ("tests/unit/workers/tables/test_joins.py",),
    ),
    Mutant(
        "the doubled hour of falling rows is told the wrong way round",
        "workers/tables/clock/local_times.py",
        "twice & (second ^ falls)",
        "twice & second",
        ("tests/unit/workers/tables/test_times.py",),
    ),
    Mutant(
        "a file that changes while it is read is taken as it is",
        "workers/tables/files/file_hashes.py",
        'if hashlib.file_digest(file, "sha256").hexdigest() != sha256:',
        "if False:",
        ("tests/unit/workers/tables/test_source.py",),
    ),
    Mutant(
        "the session of a row is the date of another zone",
        "tasks/predictions/session_days.py",
        "pd.DatetimeIndex(times).tz_localize(None).normalize()",
        "pd.DatetimeIndex(times).tz_convert(None).normalize()",
        ("tests/unit/tasks/predictions/test_session_days.py",),
    ),
    Mutant(
        "a label of as many hours as were purged reaches its test when clocks change",
        "tasks/rolling/duration.py",
        "(-(self._span + CLOCKS) // DAY)",
        "(-self._span // DAY)",
        ("tests/unit/tasks/rolling/test_duration.py",),
    ),
    Mutant(
        "what looks ahead by a duration may end on the first day of the next segment",
        "tasks/rolling/duration.py",
        "bisect_left(sessions, day, key=reached)",
        "bisect_left(sessions, day + DAY, key=reached)",
        ("tests/unit/tasks/rolling/test_duration.py",),
    ),
    Mutant(
        "a window moves with the one before it, and not with the calendar",
        "tasks/rolling/duration.py",
        "point = step.next(timestamp(begin), timestamp(sessions[first]))",
        "point = step.next(timestamp(sessions[first]), timestamp(sessions[first]))",
        ("tests/unit/tasks/rolling/test_duration.py", "-k", "week_is or next_window"),
    ),
    Mutant(
        "two rows of one day that are hours apart are the same to a revision",
        "tasks/predictions/day_hashes.py",
        "if times[first:end].any():",
        "if False:",
        ("tests/unit/tasks/predictions/test_day_hashes.py",),
    ),
    Mutant(
        "hours that come after the routine are never predicted",
        "scheduler/updates/growth.py",
        "if more := [day for day in sessions_in(new) if day in known.days]:",
        "if more := []:",
        ("tests/integration/scheduler/updates/test_hourly_rows.py", "-k", "lived_through"),
    ),
    Mutant(
        "what is predicted ahead is trained on labels that are not known yet",
        "tasks/rolling/cutter.py",
        "self.dataset.label_lookahead + ahead, self._components",
        "self.dataset.label_lookahead, self._components",
        ("tests/unit/tasks/rolling/test_cutter.py", "-k", "so_much_less"),
    ),
    Mutant(
        "codes of categories depend on what comes later",
        "workers/datasets/table/categories.py",
        "order = np.lexsort((distinct, time_of[there][first]))",
        "order = np.lexsort((distinct,))",
        TABLE_TIME,
    ),
    Mutant(
        "categories that train does not have are known",
        "workers/datasets/table/categories.py",
        "place.get(level, UNKNOWN) for level in levels",
        "place.get(level, code) for code, level in enumerate(levels)",
        TABLE,
    ),
    Mutant(
        "weights are as old as the table",
        "workers/datasets/table/dataset.py",
        "end - 1, own)",
        "len(panel.sessions) - 1, own)",
        TABLE,
    ),
    Mutant(
        "ranks see rows outside the universe",
        "workers/datasets/table/build.py",
        "    grid = replace(grid, member=member)\n",
        "",
        (*TABLE_TIME, *TABLE),
    ),
    Mutant(
        "a feature may look ahead",
        "workers/datasets/plan/plan.py",
        "found = expressions_of(plan.entries, self.columns, plan.known_ahead, plan.label.column)",
        "found = expressions_of(plan.entries, self.columns, LABEL)",
        TABLE,
    ),
    Mutant(
        "a group is seen with the others",
        "workers/datasets/table/group_hashes.py",
        "if plan.is_apart else None",
        "if False else None",
        TABLE,
    ),
    Mutant(
        "a revision of others is not seen by ranks",
        "workers/datasets/plan/plan.py",
        "return not looks_across and not any(one.across for one in all_of_it)",
        "return True",
        TABLE,
    ),
    Mutant(
        "labels of train look into valid",
        "tasks/rolling/dataset/cuts.py",
        "({PURGE: lookahead} if PURGE in takes else {})",
        "{}",
        ("tests/unit/tasks/rolling/dataset/test_cuts.py",),
    ),
    Mutant(
        "a label that looks further than it says is taken",
        "workers/datasets/table/checks.py",
        "late = late[known[late + 1] <= present]",
        "late = late[:0]",
        TABLE,
    ),
    Mutant(
        "a table that is read otherwise has the same panel",
        "workers/datasets/table/build.py",
        "        plan.read_as,\n",
        "",
        TABLE,
    ),
)
