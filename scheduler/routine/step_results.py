"""The steps of a routine, what each of them came to, and what one that is under way must remember."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum


class Step(StrEnum):
    """The steps of a routine, in their order; the name is that of the field in ``Steps``."""

    UPDATE = "update predictions"
    PREPARE = "prepare tasks"
    TRAIN = "train"
    GATHER = "gather"
    PROMOTE = "promote"
    PUBLISH = "publish signals"

    @property
    def field(self) -> str:
        """The name of its result in documents."""
        return self.name.lower()


@dataclass(frozen=True)
class StepResult:
    """What a step came to: by whom, and when it was finished (UTC, ISO 8601). ``skipped``: why it was not needed."""

    by: str = ""
    at: str = ""
    skipped: str = ""

    def to_dict(self) -> dict[str, object]:
        """JSON-able; what is empty is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None and value not in ("", ())}


@dataclass(frozen=True)
class Updated(StepResult):
    """How many prediction tasks there were."""

    tasks: int = 0


@dataclass(frozen=True)
class Prepared(StepResult):
    """The round of the tasks that are trained, and how many of them are new or reused, and why; no tasks, no round."""

    tasks: int = 0
    round: str = ""
    ids: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trained(StepResult):
    """How many tasks ended in which state."""

    states: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """JSON-able: a number by state."""
        return {**self.states, **{name: value for name, value in super().to_dict().items() if name != "states"}}


@dataclass(frozen=True)
class Gathered(StepResult):
    """The version that the round put online; None: there was no round. ``superseded``: it came too late."""

    strategy: str = ""
    version: int | None = None
    superseded: bool | None = None


@dataclass(frozen=True)
class Promoted(StepResult):
    """The version that serves, and the challenger that became champion, if one did."""

    version: int | None = None
    promoted: str | None = None


@dataclass(frozen=True)
class Published(StepResult):
    """The entry of the signals; None: there was nothing to publish."""

    number: int | None = None
    rows: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Steps:
    """The results of the steps that are finished."""

    update: Updated | None = None
    prepare: Prepared | None = None
    train: Trained | None = None
    gather: Gathered | None = None
    promote: Promoted | None = None
    publish: Published | None = None

    def finished(self) -> Iterator[tuple[Step, StepResult]]:
        """The steps that are finished, in their order."""
        for step in Step:
            if (result := getattr(self, step.field)) is not None:
                yield step, result

    @property
    def next(self) -> Step | None:
        """The first step that is not finished; None if all are."""
        done = dict(self.finished())
        return next((step for step in Step if step not in done), None)

    def to_dict(self) -> dict[str, object]:
        """JSON-able, by the names of the steps."""
        return {str(step): result.to_dict() for step, result in self.finished()}


@dataclass(frozen=True)
class Notes:
    """What a step that is under way must remember.

    Args:
        predictions: the prediction tasks that it waits for; None: it has asked for none yet.
        released: whether the tasks of its round were released to workers.
    """

    predictions: tuple[str, ...] | None = None
    released: bool = False


def skipped(why: str) -> Steps:
    """The results of a routine that was not needed."""
    return Steps(
        Updated(skipped=why),
        Prepared(skipped=why),
        Trained(skipped=why),
        Gathered(skipped=why),
        Promoted(skipped=why),
        Published(skipped=why),
    )


def to_document(steps: Steps) -> dict[str, object]:
    """The results as they stand in a document: nothing of the steps that are not finished."""
    return {one.name: asdict(value) for one in fields(steps) if (value := getattr(steps, one.name)) is not None}
