"""Whether a window is trained or reused, and why: it is compared with the newest task of the same window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollq.tasks.definition import (
    CHAIN,
    CLASS,
    DATASET,
    SEGMENTS,
    VARIANT,
    WINDOW,
    Definition,
    Segments,
    changed_kwargs,
    planned_test,
    segments_of,
    with_dataset_kwargs,
)
from rollq.tasks.identity import IDENTITY, WHOLE, identity_of, task_id, task_key, template_of
from rollq.tasks.ingredients.seen import marked_days
from rollq.tasks.queue.reader import TaskReader
from rollq.tasks.queue.states import TaskState
from rollq.tasks.queue.task import Task

REUSED = "reused: same data, template, code and library versions"
OTHER_CODE = "reused, though it was retried with other code: --force trains it with that of now"
OTHER_DATA = "reused, though its data had been revised when it was trained: --force trains it with those of now"
NEW = "no task yet"
AGAIN = "trained again"
SHOWN = 3  # keys or days that are named


@dataclass(frozen=True)
class Verdict:
    """What becomes of a window, and why: its task, the state of that task if it exists, and the newest one before."""

    task_id: str
    status: TaskState | None
    why: str
    earlier: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether its task does not exist yet."""
        return self.status is None

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {"task": self.task_id, "status": self.status, "why": self.why, "earlier": self.earlier}


def judge(tasks: TaskReader | None, pool: str, definitions: Sequence[Definition]) -> list[Verdict]:
    """What becomes of windows that are put into a pool, in their order.

    Args:
        tasks: None: there is no pool yet.

    Raises:
        Unavailable: the store does not answer.
    """
    # A window is reused if a task with its very identity is there: nothing else is compared to decide that.
    ids = [task_id(pool, task_key(definition)) for definition in definitions]
    there = {task.id: task for task in tasks.find(ids=ids)} if tasks else {}
    new = [definition for ident, definition in zip(ids, definitions, strict=True) if ident not in there]
    before = newest_before(tasks, pool, new) if tasks and new else {}
    verdicts = []
    for ident, definition in zip(ids, definitions, strict=True):
        if ident in there:
            verdicts.append(Verdict(ident, there[ident].status, _reason(there[ident])))
        else:
            earlier = before.get(window_of(definition))
            why = f"{AGAIN}: {'; '.join(differences(earlier.definition, definition))}" if earlier else NEW
            verdicts.append(Verdict(ident, None, why, earlier.id if earlier else None))
    return verdicts


def summary(verdicts: Iterable[Verdict]) -> list[str]:
    """How many windows there are of each reason, in words: ``7 reused: same data, ...``."""
    return [f"{count} {why}" for why, count in Counter(one.why for one in verdicts).items()]


def window_of(definition: Mapping[str, object]) -> tuple[str, str]:
    """Which window of which variant a definition is: the windows of two of the same begin on the same test session."""
    start, _ = planned_test(definition)
    return str(definition.get(VARIANT, "")), start


def newest_before(
    tasks: TaskReader, pool: str, definitions: Sequence[Definition], before: int | None = None
) -> dict[tuple[str, str], Task]:
    """The newest task of each of the windows in a pool; of several with the same window, one with the same segments.

    Args:
        before: only tasks that were made before this one (``seq``).
    """
    wanted = {window_of(definition): segments_of(definition) for definition in definitions}
    found: dict[tuple[str, str], Task] = {}
    for task in sorted(tasks.outlines(pool), key=lambda task: task.seq):
        window = window_of(with_dataset_kwargs(task.definition, segments=task.segments))
        if window in wanted and (before is None or task.seq < before):
            known = found.get(window)
            # Newest last: it takes the place of an earlier one, unless only that one has the same segments.
            if known is None or task.segments == wanted[window] or known.segments != wanted[window]:
                found[window] = task
    # Outlines of the whole pool, then the definitions of the few that are compared: definitions are large.
    whole = {task.id: task for task in tasks.find(ids=[task.id for task in found.values()], definitions=True)}
    return {window: whole[task.id] for window, task in found.items() if task.id in whole}


def lineage(tasks: TaskReader, task: Task) -> list[str]:
    """Why a task was made beside the earlier ones of its window, what came after it, and who reuses it; in sentences.

    Raises:
        Unavailable: the store does not answer.
    """
    if identity_of(task.definition) is None:
        return []
    window, said = window_of(task.definition), []
    if earlier := newest_before(tasks, task.pool, [task.definition], task.seq).get(window):
        said.append(
            f"It was {AGAIN}: {'; '.join(differences(earlier.definition, task.definition))}. Before: {earlier.id}"
        )
    if task.status is TaskState.DONE and len(task.rounds) > 1:
        said.append(f"It is {REUSED}, in {len(task.rounds)} rounds.")
    newest = newest_before(tasks, task.pool, [task.definition]).get(window)
    if newest and newest.seq > task.seq:
        said.append(f"Task {newest.id} came after it: {'; '.join(differences(task.definition, newest.definition))}.")
    return said


def differences(old: Definition, new: Definition) -> list[str]:
    """In what two tasks of one window differ, in words, the weightiest first."""
    if identity_of(old) is None or identity_of(new) is None:
        return ["the task before does not say what it was made of"]
    found = [
        *_segments(segments_of(old), segments_of(new)),
        *_template(old, new),
        *_data(old, new),
        *_code(old[IDENTITY]["code"], new[IDENTITY]["code"]),
        *_libraries(old[IDENTITY]["libraries"], new[IDENTITY]["libraries"]),
    ]
    if not found and old.get(CHAIN) != new.get(CHAIN):
        found.append("the window that it begins from is trained again")
    return found or ["what it is made of is written down in another way"]


def _reason(task: Task) -> str:
    status = task.status
    if status is TaskState.DONE:
        result = task.result or {}
        return OTHER_CODE if result.get("other_code") else OTHER_DATA if result.get("other_data") else REUSED
    if status.is_terminal:
        return f"{status.lower()} before: `rollq tasks retry` lets it be tried again"
    return f"already under way: {status}"


def _segments(old: Segments, new: Segments) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        before, now = old.get(name), new.get(name)
        if before is None or now is None:
            yield f"{name} is {'gone' if now is None else 'new'}"
        elif tuple(before) != tuple(now):
            yield f"{name} is {now[0]} to {now[1]} and was {before[0]} to {before[1]}"


def _template(old: Definition, new: Definition) -> Iterator[str]:
    changed = list(_changed_keys(_rest(old), _rest(new)))
    if changed:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        yield f"the template changed: {', '.join(changed[:SHOWN])}{more}"


def _rest(definition: Definition) -> dict[str, object]:
    """The template's part of a definition without what belongs to the window."""
    rest = {name: value for name, value in template_of(definition).items() if name not in (CHAIN, WINDOW)}
    dataset = rest.get(DATASET)
    if isinstance(dataset, dict):
        rest[DATASET] = changed_kwargs(
            dataset, lambda kwargs: {name: value for name, value in kwargs.items() if name != SEGMENTS}
        )
    return rest


def _changed_keys(old: object, new: object, key: str = "") -> Iterator[str]:
    """``model.kwargs.num_leaves 31 -> 63``, and so on."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            yield from _changed_keys(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
    elif old != new or type(old) is not type(new):
        short = all(value is None or isinstance(value, str | int | float) for value in (old, new))
        yield f"{key} {_shown(old)} -> {_shown(new)}" if short else key


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)[:40]


def _data(old: Definition, new: Definition) -> Iterator[str]:
    """Sentences on the sessions that were revised, added or taken out between two definitions."""
    before, now = old[IDENTITY]["data"], new[IDENTITY]["data"]
    if before == now:
        return
    if WHOLE in before or WHOLE in now:
        yield (
            "the data changed" if WHOLE in before and WHOLE in now else "the dataset tells its sessions in another way"
        )
        return
    days = _sessions(old), _sessions(new)
    # With other segments days come and go by themselves: only revisions say something then.
    same_segments = segments_of(old) == segments_of(new)
    kinds = {
        "revised": {day for day in days[0].keys() & days[1].keys() if days[0][day] != days[1][day]},
        "added": days[1].keys() - days[0].keys() if same_segments else set(),
        "taken out": days[0].keys() - days[1].keys() if same_segments else set(),
    }
    said = [line for kind, found in kinds.items() for line in _of_segments(kind, found, segments_of(new))]
    yield from said or (["the data changed"] if same_segments else [])


def _sessions(definition: Definition) -> dict[str, bytes]:
    """The mark of each session that a task sees, by day."""
    found: dict[str, bytes] = {}
    marks = definition[IDENTITY].get("marks")
    for name, data in definition[IDENTITY]["data"].items():
        if isinstance(data, Mapping) and isinstance(marks, Mapping):
            found |= marked_days(data.get("from"), marks.get(name))
    return found


def _of_segments(kind: str, days: Iterable[str], segments: Segments) -> Iterator[str]:
    """``3 sessions of train were revised``, for each segment that has some."""
    left = set(days)
    for name, (start, end) in segments.items():
        inside = {day for day in left if (start is None or str(start) <= day) and (end is None or day <= str(end))}
        if inside:
            yield f"{_sessions_were(inside, f'of {name}', kind)}"
        # A day counts for the first segment that holds it.
        left -= inside
    if left:
        yield _sessions_were(left, "around its segments", kind)


def _sessions_were(days: set[str], where: str, kind: str) -> str:
    count = f"{len(days)} sessions {where} were" if len(days) > 1 else f"1 session {where} was"
    named = f" ({', '.join(sorted(days))})" if len(days) <= SHOWN else ""
    return f"{count} {kind}{named}"


def _code(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    changed = [one[CLASS] for place, one in new.items() if place in old and old[place]["sha256"] != one["sha256"]]
    names = list(dict.fromkeys(str(name).rpartition(":")[2] for name in changed))
    if names:
        yield f"the code of {', '.join(names)} changed"


def _libraries(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name, 'unused')} -> {new.get(name, 'unused')}"
