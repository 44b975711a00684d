"""The trainer of an online manager: for each strategy one of its kind is made, for that strategy's pool."""

from __future__ import annotations

from rollq.scheduler.rounds.trainers import Trainer
from rollq.trainers import TrainerR

Kind = Trainer | type[Trainer]  # an object or a class


def chosen(trainer: Kind | None) -> Kind:
    """What makes the trainers of pools; by default this process trains."""
    return TrainerR if trainer is None else trainer


def name_of(trainer: Kind) -> str:
    """The name of its class."""
    return (trainer if isinstance(trainer, type) else type(trainer)).__name__
