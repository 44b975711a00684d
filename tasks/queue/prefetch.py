"""What a process at short tasks looks ahead to, so that each of them costs it few trips to the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rollq.tasks.queue.task import Candidate, Claim


@dataclass
class Lookahead:
    """The tasks that a process saw at its last search and did not take: the next ones to try, without another search.

    When a task is committed, the claim on the next one is sent along, so ``claimed`` may hold it already. Nothing more
    urgent is seen until ``tasks`` are used up: keep this for a moment only.

    ``go_on`` says whether the process wants another task; ``seen`` is how many the last search saw.
    """

    go_on: Callable[[], bool] = lambda: True
    tasks: list[Candidate] = field(default_factory=list)
    seen: int = 0
    claimed: Claim | None = None

    def take(self) -> Claim | None:
        """The claim that was made with the last commit, once."""
        claim, self.claimed = self.claimed, None
        return claim

    def wants_more(self) -> bool:
        """Whether the next claim may be sent along with a commit."""
        return bool(self.tasks) and self.claimed is None and self.go_on()
