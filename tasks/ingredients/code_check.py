"""Whether this process has the code that a task was made with; asked before the task is run.

A process that has imported older code begins anew: what it holds goes back untried, and its supervisor starts it
again. A machine that has other code leaves the task to others, or says so.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from rollq.tasks.components.source import Source, changed_since_loaded
from rollq.tasks.definition import components_of
from rollq.tasks.errors import NotYet, PermanentError, StateError
from rollq.tasks.identity import IDENTITY
from rollq.tasks.ingredients.ingredients import sources_of
from rollq.tasks.queue.worker_registry import WorkerRegistry

ELSEWHERE_SECONDS = 10.0  # until a task that this machine has no code for is claimed again
_stale: list[str] = []


class StaleCode(NotYet):
    """This process imported a component before its code was changed: it has to begin anew."""


class OtherCode(PermanentError):
    """This machine has another code of a component than the task was made with."""


def is_stale() -> bool:
    """Whether this process has met a task that needs newer code than it has imported: it should take no other."""
    return bool(_stale) and bool(changed_since_loaded())  # a notebook may have reloaded it


def refuse_if_stale() -> None:
    """End a loop in a process that has to begin anew and cannot by itself.

    Raises:
        StateError: it has.
    """
    if is_stale():
        raise StateError(f"This process imported {_stale[-1]} before its code was changed.", "Start it again.")


def check_loaded() -> None:
    """Refuse to go on with code that was changed since this process imported it.

    Raises:
        StaleCode: it was.
    """
    if changed := changed_since_loaded():
        raise _stale_of(", ".join(changed))


def check_code(
    definition: Mapping[str, object],
    extra: tuple[str, ...] = (),
    *,
    as_found: bool = False,
    elsewhere: Callable[[], bool] = lambda: False,
) -> dict[str, str]:
    """Refuse a task whose components this process has not imported as the task was made with them.

    Args:
        extra: further registered classes (the setting ``components``).
        as_found: a person lets it be tried again with whatever code there is.
        elsewhere: whether another machine might have its code.

    Returns:
        What is run in the place of the task's code, where it is another one: the SHA-256 by place in the definition.

    Raises:
        StaleCode: this process has imported an older one.
        NotYet: this machine has another one, and the task is left to others.
        OtherCode: there are no others.
        ComponentError: a class is not registered, or cannot be imported.
    """
    wanted = _wanted(definition)
    if not wanted:  # put into the pool without a template, or by an earlier version
        check_loaded()
        return {}
    other: dict[str, str] = {}
    for place, source in sources_of(definition, extra).items():
        if wanted.get(place, (source.target,))[0] != source.target:  # the definition was edited: it names another class
            continue
        loaded, disk = source.loaded_sha256, source.sha256
        meant = disk if as_found or place not in wanted else wanted[place][1]
        # The disk has what is meant, so a new process will do; else a new one would be no better.
        if loaded != meant and disk == meant:
            raise _stale_of(source.target)
        if loaded != meant:
            _refuse(source, elsewhere())
        if place in wanted and loaded != wanted[place][1]:
            other[place] = loaded
    return other


def others_serve(worker_registry: WorkerRegistry, queue: str) -> bool:
    """Whether live workers of other machines serve a queue."""
    here = f"{socket.gethostname()}/"
    return any(one.alive and queue in one.queues and not one.name.startswith(here) for one in worker_registry.workers())


def _wanted(definition: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """The class of each component that the task was made with, and the SHA-256 of its source."""
    identity = definition.get(IDENTITY)
    code = identity.get("code") if isinstance(identity, Mapping) else None
    places = {place for place, _ in components_of(definition)}
    found = code.items() if isinstance(code, Mapping) else ()
    return {
        place: (str(one.get("class")), str(one.get("sha256")))
        for place, one in found
        if place in places and isinstance(one, Mapping)
    }


def _stale_of(name: str) -> StaleCode:
    _stale.append(name)
    return StaleCode(
        f"This process imported {name} before its code was changed.",
        "It begins anew; start it again if it does not.",
        0.0,
    )


def _refuse(source: Source, elsewhere: bool) -> None:
    message = f"{socket.gethostname()} has another code of {source.target} than the task was made with."
    if elsewhere:
        raise NotYet(message, "It is left to workers of other machines; bring this one up to date.", ELSEWHERE_SECONDS)
    raise OtherCode(
        message,
        "Enqueue the template again: that makes a task of the code of now. Or let this one be tried with that code: "
        "`rollq tasks retry ID`.",
    )
