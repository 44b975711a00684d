"""What a routine of several strategies did, in a form that prints well."""

from __future__ import annotations

from rollq.scheduler.routine.ledger import Routine
from rollq.scheduler.routine.step_results import Gathered, Prepared, Promoted, Published, Trained, Updated

Runs = dict[str, Routine | None]


class RoutineRuns(Runs):
    """The last routine of each strategy by its name; None where there was nothing to do. Printed: a line for each."""

    def __str__(self) -> str:
        return "\n".join(f"{name}: {said(routine)}" for name, routine in self.items())


def said(routine: Routine | None) -> str:
    """What a routine did, in a line."""
    if routine is None:
        return "nothing to do"
    steps = routine.steps
    updated, prepared = steps.update or Updated(), steps.prepare or Prepared()
    trained, gathered = steps.train or Trained(), steps.gather or Gathered()
    promoted, published = steps.promote or Promoted(), steps.publish or Published()
    ended = ", ".join(f"{count} {state}" for state, count in sorted(trained.states.items()))
    parts = [
        f"{updated.tasks} predictions updated" if updated.tasks else "",
        f"{prepared.tasks} tasks prepared" + (f" ({ended})" if ended else "") if prepared.tasks else "no new task",
        f"version {gathered.version} is online" if gathered.version else "",
        f"{promoted.promoted} was promoted" if promoted.promoted else "",
        f"{published.rows} signals published" if published.rows else "no new signal",
    ]
    end = f" {routine.waits_for or routine.reason}".rstrip()
    return f"{routine.session}: {', '.join(part for part in parts if part)}; {routine.status}{end}"
