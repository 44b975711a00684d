"""What every trainer can do with rounds: tasks of which something comes at once, an online set or research."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Self, Unpack

from rollq.scheduler.online.ledger import OnlineSets
from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.rounds.known_round import Wanted, known_round
from rollq.scheduler.rounds.trained_round import TrainedRound
from rollq.tasks.backend import Backend
from rollq.tasks.definition import Definition
from rollq.tasks.errors import RoundFailed, StateError, Unavailable
from rollq.tasks.leases.renewer import Check, no_lease
from rollq.tasks.queue.states import TaskState
from rollq.tasks.rolling.task_options import TaskOptions
from rollq.tasks.rounds.documents import Round, RoundState
from rollq.tasks.rounds.purpose import Purpose
from rollq.tasks.tracking.workflow import R
from rollq.tasks.upkeep.dependencies import settle

POLL_SECONDS = 0.2

Progress = Callable[[dict[TaskState, int]], None]


class RoundTrainer:
    """Opens rounds in one pool, starts them and waits for them. ``Trainer`` is one, and more.

    Args:
        experiment_name: the MLflow experiment of its runs.
        task_pool: the task pool; None: it has the name of the experiment.
        backend: the servers; None: as for ``TaskManager``.
        options: of the tasks: ``priority``, ``queue``, ``requested``, ``time_limit``, as for ``create_tasks``.
    """

    delay = False

    def __init__(
        self,
        experiment_name: str | None = None,
        task_pool: str | None = None,
        *,
        backend: Backend | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        """No server is asked: a trainer may be made before ``rollq.init``, as a default argument for example."""
        self.experiment_name = experiment_name
        self.task_pool = task_pool
        self._connected = backend
        self._options = options

    def of(self, experiment_name: str, task_pool: str | None = None, backend: Backend | None = None) -> Self:
        """The same trainer for another experiment and pool."""
        made = copy.copy(self)
        made.experiment_name, made.task_pool = experiment_name, task_pool
        made._connected = backend or self._connected
        return made

    def task_options(self) -> TaskOptions:
        """How its tasks are run, whatever a plan says."""
        return {}

    def is_delay(self) -> bool:
        """Whether tasks are only registered at first, and trained together later."""
        return self.delay

    @property
    def _backend(self) -> Backend:
        self._connected = self._connected or Backend.connect()
        return self._connected

    @property
    def _pool(self) -> str:
        return self._names(None)[1]

    def _names(self, experiment_name: str | None) -> tuple[str, str]:
        """Experiment and pool."""
        experiment = experiment_name or self.experiment_name or self.task_pool or R.exp_manager.default_exp_name
        return experiment, self.task_pool or experiment

    def open_round(
        self,
        definitions: Sequence[Definition],
        purpose: Purpose,
        policy: str = "all",
        options: TaskOptions | None = None,
        after: Sequence[str] = (),
        ident: str | None = None,
        *,
        force: bool = False,
        once: bool = False,
        check: Check = no_lease,
    ) -> TrainedRound:
        """Open a round over ``definitions``; workers start at once (or at ``start_round``, if this trainer delays).

        Args:
            definitions: what the tasks are made of, one for each window.
            purpose: what the coordinator does with the models: ``Serve`` or ``Research``.
            policy: how many must be DONE: ``all``, a fraction such as ``0.9``, or ``best_effort``.
            options: as the trainer's, for these tasks.
            after: rounds that must be gathered first; if one of them fails, this one fails too and says so.
            ident: of the round; calls with the same one open one round.
            force: tasks that are there already and finished are trained again; they keep their result until then.
            once: the same tasks with the same results for the same purpose are one round (``known_round``).
            check: called before each write; raises LeaseLost if the caller's routine is not held any more.

        Raises:
            NotFound: there is no round that it could wait for.
            Unavailable: the store does not answer. A broker that does not answer delays the round, it loses nothing.
        """
        # Looked for before anything is made: a misspelt id leaves nothing behind.
        for earlier in after:
            self._backend.rounds.get(earlier)  # nothing is created if it is not there
        tasks = self._backend.tasks
        chosen: TaskOptions = {**self._options, **(options or TaskOptions()), **self.task_options()}
        held = self.delay or bool(after)
        check()
        created = tasks.create_tasks(self._pool, definitions, held=held, **chosen)
        if force and created.existing:
            tasks.retry(created.ids, "enqueue --force", done=True, held=held, any_code=False)
        ended = False
        if once:
            wanted = Wanted(self._pool, tuple(created.ids), purpose, policy, tuple(after))
            ident, ended = known_round(self._backend, wanted)
        if ident and ended:
            return TrainedRound(ident, self._pool, created, ended)
        check()
        round_id = self._backend.rounds.create(
            self._pool, created.ids, purpose, policy=policy, held=self.delay, after=after, ident=ident
        )
        # After the round exists: a task that names a round which is not there could not be explained.
        tasks.join_round(created.ids, round_id)
        if after:
            settle(self._backend)
        elif not self.delay:
            self._notify(round_id)
        return TrainedRound(round_id, self._pool, created)

    def start_round(self, trained: TrainedRound) -> TrainedRound:
        """Let the tasks of a round go, if they are held; workers start at once. Calling it again is harmless."""
        self._backend.rounds.start(trained.id)
        # Read after `start`: should the round be unblocked just now, one of the two, this or `settle`, sees both and
        # releases the tasks.
        if self._backend.rounds.get(trained.id).unblocked:
            self._backend.tasks.unhold(trained.created.ids)
            self._notify(trained.id)
        settle(self._backend)
        return trained

    def wait(
        self,
        trained: TrainedRound,
        timeout: float | None = None,
        progress: Progress | None = None,
        alive: Callable[[], None] | None = None,
    ) -> OnlineSet:
        """Wait until the round is gathered; returns what serves then.

        Args:
            trained: what ``open_round`` returned.
            timeout: seconds; None waits for ever.
            progress: called with the states of the round's tasks.
            alive: called at every look; raises when waiting has become pointless.

        Raises:
            RoundFailed: too few tasks were done, or their predictions do not fit together.
            StateError: the time is over, and the round goes on without the caller; or it puts nothing online.
        """
        self.wait_gathered(trained, timeout, progress, alive)
        return self._online(trained)

    def wait_gathered(
        self,
        trained: TrainedRound,
        timeout: float | None = None,
        progress: Progress | None = None,
        alive: Callable[[], None] | None = None,
    ) -> Round:
        """As ``wait``, also for a round that puts nothing online; returns the round."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            found = self._backend.rounds.get(trained.id)
            if progress:
                progress(self._backend.tasks.stat(ids=trained.created.ids))
            if found.status is RoundState.GATHERED:
                return found
            if found.status is RoundState.FAILED:
                raise RoundFailed(f"Round {trained.id} failed. {found.reason}")
            if end is not None and time.monotonic() > end:
                raise StateError(
                    f"Round {trained.id} is not finished after {timeout:.0f} s.", "It goes on: `rollq status`."
                )
            if alive:
                alive()
            self.work()

    def work(self) -> None:
        """Let time pass for the work to be done: workers do it. A trainer without workers does some of it here."""
        time.sleep(POLL_SECONDS)

    def has_worker(self) -> bool:
        """Whether the work is done by worker processes."""
        return True

    def _online(self, trained: TrainedRound) -> OnlineSet:
        """The set of a round; the newer one, if it came too late for its own."""
        sets = OnlineSets(self._backend.store)
        online = sets.of_round(trained.id)
        result = self._backend.rounds.get(trained.id).result or {}
        if online is None and result.get("superseded"):
            online = sets.version(result["strategy"], result["version"])
        if online is None:
            raise StateError(
                f"Round {trained.id} is gathered but put nothing online.",
                "Wait for a round of research with `wait_gathered`.",
            )
        return online

    def _notify(self, round_id: str) -> None:
        try:
            self._backend.notifier.top_up(self._pool)
            # All tasks may be DONE already: then no worker will notify of the round.
            self._backend.gather_notifier.notify_if_finished(self._pool, [round_id])
        except Unavailable:
            return  # everything is in the store: the next sweep notifies
