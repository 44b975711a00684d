"""Where an online manager is found again: in the store by its name, or by a small file that names it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rollq import trainers
from rollq.scheduler.rounds.trainers import DelayTrainer, Trainer
from rollq.scheduler.strategies.base import OnlineStrategy
from rollq.scheduler.strategies.managers import strategies_of
from rollq.scheduler.strategies.registry import StrategyRegistry
from rollq.tasks.backend import Backend
from rollq.tasks.errors import BadInput, NotFound

KIND = "rollq online manager"


@dataclass(frozen=True)
class Found:
    """A manager of the store: its name, its strategies, and the class of its trainer."""

    name: str
    strategies: list[OnlineStrategy]
    trainer: type[Trainer]


def find_manager(backend: Backend, place: str) -> Found:
    """A manager by its name, or by the path of its file.

    Raises:
        NotFound: there is none of this name.
        BadInput: the file is another one, such as a pickle of Qlib's.
        DocumentCorrupted: it was changed past rollq.
    """
    path = Path(place)
    name, kind = _read(path) if path.is_file() else (place, "")
    names = strategies_of(backend.store, name)
    if names is None:
        raise NotFound(f"There is no online manager {name!r}.", "Make one: OnlineManager(strategies).")
    registry = StrategyRegistry(backend)
    registered = [registry.get(strategy) for strategy in names]
    # One manager has one kind of trainer; what is not said is taken as it was when the strategies were added.
    delayed = all(one.delayed for one in registered)
    trainer = _named(kind) or (DelayTrainer if delayed else Trainer)
    return Found(name, [registry.strategy(one) for one in registered], trainer)


def write_file(path: Path, name: str, trainer: str) -> None:
    """Write the name of a manager, and that of its trainer's class, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"kind": KIND, "name": name, "trainer": trainer}) + "\n", encoding="utf-8")


def _read(path: Path) -> tuple[str, str]:
    """The names of the manager and of its trainer's class in a file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["kind"] != KIND:
            raise KeyError("kind")
        return str(found["name"]), str(found["trainer"])
    except (OSError, ValueError, LookupError, TypeError):
        raise BadInput(
            f"{path} does not name an online manager.",
            "Write it with OnlineManager.to_pickle(path). Pickles are not read.",
        ) from None


def _named(name: str) -> type[Trainer] | None:
    """The trainer's class of this name, if rollq has one that needs no worker; others are as the strategies say."""
    found = getattr(trainers, name, None)
    return found if isinstance(found, type) and issubclass(found, Trainer) else None
