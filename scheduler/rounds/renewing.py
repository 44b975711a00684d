"""Keeps a lease alive in a thread while something is done under it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from rollq.tasks.errors import LeaseLost, RollqError

log = logging.getLogger(__name__)


class Renewing:
    """A context in which ``renew`` is called three times per lease.

    Args:
        renew: raises LeaseLost when the lease belongs to somebody else.
        seconds: of the lease.
    """

    def __init__(self, renew: Callable[[], None], seconds: float) -> None:
        self._renew = renew
        self._every = seconds / 3
        self._lost: LeaseLost | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="rollq-renewing", daemon=True)

    def __enter__(self) -> Renewing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Raise if the lease was lost.

        Raises:
            LeaseLost: it was.
        """
        if self._lost:
            raise self._lost

    def _keep(self) -> None:
        while not self._done.wait(self._every):
            try:
                self._renew()
            except LeaseLost as error:
                self._lost = error
                return
            except RollqError as error:
                log.warning("the lease could not be renewed: %s", error)
