"""What was planned last: as definitions that are planned now, and as the ledger has it."""

from __future__ import annotations

from collections.abc import Sequence

from rollq.scheduler.online.online_set import OnlineSet
from rollq.scheduler.strategies.plan import Latest, member_of, variant_of
from rollq.tasks.definition import Definition, planned_test


def latest_of(definitions: Sequence[Definition], ids: Sequence[str], before: Latest | None = None) -> Latest:
    """What is latest once ``definitions``, whose tasks have ``ids``, are planned after ``before``."""
    start, tasks = (before.start, dict(before.tasks)) if before else ("", {})
    for definition, ident in sorted(zip(definitions, ids, strict=True), key=lambda pair: planned_test(pair[0])[0]):
        # The planned segment, not the dataset's: that one ends where the data ended.
        start = max(start, planned_test(definition)[0])
        tasks[member_of(definition) or variant_of(definition)] = ident
    return Latest(start, tasks)


def latest_planned(history: list[OnlineSet], sessions: Sequence[str] | None = None) -> Latest:
    """The newest windows that came online, of every variant, as the ledger says it.

    Args:
        sessions: windows that begin on another day do not count: it was dated wrongly, and was repaired.
    """
    named = [(online.champion, online.models) for online in history]
    named += [one for online in history for one in online.challengers.items()]
    # A window that began on a date that is gone would keep the next ones from being due.
    known = None if sessions is None else set(sessions)
    found = [(name, one) for name, models in named for one in models if known is None or one.test[0] in known]
    start = max((model.test[0] for _, model in found), default="")
    return Latest(start, {model.member or name: model.task_id for name, model in found if model.test[0] == start})
