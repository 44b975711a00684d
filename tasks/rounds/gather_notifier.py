"""The gather notifier: which rounds are finished, so that a coordinator is to be notified."""

from __future__ import annotations

from collections.abc import Sequence

from rollq.tasks.broker.notifier import Notifier
from rollq.tasks.queue.reader import TaskReader
from rollq.tasks.rounds.documents import RoundState
from rollq.tasks.rounds.rounds import Rounds


class GatherNotifier:
    """Notifies coordinators of finished rounds."""

    def __init__(self, rounds: Rounds, tasks: TaskReader, notifier: Notifier) -> None:
        self._rounds = rounds
        self._tasks = tasks
        self._notifier = notifier

    def notify_if_finished(self, pool: str, among: Sequence[str] | None = None) -> list[str]:
        """Notify of the open rounds of a pool whose tasks are all finished; returns their ids.

        Args:
            among: look only at these rounds.

        Raises:
            Unavailable: a server does not answer. Nothing is lost: a sweep notifies again.
        """
        if among is None:
            candidates = [found.id for found in self._rounds.find(pool, [RoundState.OPEN])]
        else:
            candidates = list(among)
        finished = [ident for ident in candidates if not self._tasks.has_active(ident)]
        # After the tasks were looked at: a task that is retried in between makes the message useless, not wrong.
        ready = [ident for ident in finished if self._rounds.may_be_gathered(ident)]
        for ident in ready:
            self._notifier.notify_gather(ident)
        return ready

    def notify_again(self) -> int:
        """Notify of rounds whose message was lost or whose gatherer died; returns how many."""
        # Messages that lie there may be about these rounds; more would only multiply them.
        if self._notifier.depth_of_gather():
            return 0
        lost = self._rounds.abandoned()
        for ident in lost:
            self._notifier.notify_gather(ident)
        return len(lost)
