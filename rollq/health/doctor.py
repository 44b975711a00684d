"""The doctor: is everything there that rollq needs? Each failing check says how to repair it."""

from __future__ import annotations

from rollq.health.check import Check
from rollq.health.machine import machine_checks
from rollq.health.servers import server_checks
from rollq.local.attach import attach
from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import RollqError

__all__ = ["Check", "run_checks"]


def run_checks(settings: Settings, repair: bool = False) -> list[Check]:
    """All checks; those of the servers say what is missing where there are none.

    Args:
        repair: repair what can be repaired in the work (``rollq/health/repair.py``).
    """
    found = machine_checks(settings)
    try:
        with attach(settings) as attached:
            servers = server_checks(attached)
            found += servers
            # A clock that is off hinders no look at the work; a server that fails would only fail once more.
            if all(check.ok for check in servers if check.name != "clock"):
                found += _work(attached, repair)
    except RollqError as error:
        found.append(Check("servers", False, error.message, error.fix))
    return found


def _work(settings: Settings, repair: bool) -> list[Check]:
    from rollq.health.repair import look_at_work
    from rollq.tasks.backend import Backend

    backend = Backend.of(settings)
    backend.prepare()
    try:
        return look_at_work(backend, repair)
    finally:
        backend.store.close()
