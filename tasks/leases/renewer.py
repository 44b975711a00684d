"""Leases on the side of the process: a thread renews one, and says when what is done under it must stop."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rollq.tasks.errors import LeaseLost, RollqError, Unavailable
from rollq.tasks.mongo.client import within

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5  # how often the thread looks; what it finds out reaches a model within this and its next round
LEAVE_SECONDS = 1.0  # how long the end of the block waits for a renewal under way; a late one is refused by its fence
SHORT_SECONDS = 0.1  # work that takes less than this has no thread of its own


class Check(Protocol):
    """Stops what is done under a lease if it has to stop: called before each write.

    Raises:
        LeaseLost: the lease is lost. With ``sure`` the store is asked: before a write that all others see.
    """

    def __call__(self, *, sure: bool = False) -> None:
        """Check."""


def no_lease(*, sure: bool = False) -> None:
    """The check of those who work without a lease, for example because a person asked for it: it never raises."""


@dataclass(frozen=True)
class Lease:
    """A lease that this process holds.

    ``name`` says on what, for messages; ``renew`` holds it for another ``seconds``, and raises LeaseLost if it is
    gone; ``since`` is when it began by this process's monotonic clock, at the latest when the claim was sent;
    ``holds`` is a look that is cheaper than ``renew``, if there is one.
    """

    name: str
    seconds: float
    renew: Callable[[], object]
    since: float
    holds: Callable[[], bool] | None = None


class LeaseRenewer:
    """Renews a lease every third of its length until the block ends.

    Args:
        on_tick: called by the thread every ``TICK_SECONDS`` at most.
        on_lost: called by the thread once the lease is lost; then the thread ends.

    ``check`` does not trust the thread: when the lease has run out by this process's own clock without a renewal that
    the store confirmed (its machine is cut off, the process was stopped for a while), it is lost, because another
    process may have it.
    """

    def __init__(
        self,
        lease: Lease,
        on_tick: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """Nothing starts yet: a block that ends within ``SHORT_SECONDS`` has no thread at all."""
        self._lease = lease
        self._on_tick = on_tick
        self._on_lost = on_lost
        self._renewed = lease.since
        self._lost: LeaseLost | None = None
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> LeaseRenewer:
        """Start to renew."""
        _starter.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to renew."""
        if thread := _starter.remove(self):
            thread.join(LEAVE_SECONDS)

    def check(self, *, sure: bool = False) -> None:
        """Stop what is done under the lease if it has to stop.

        Args:
            sure: ask the store too, by renewing the lease: it may have been taken away since the last renewal.

        Raises:
            LeaseLost: the store said that it is gone, or it ran out unrenewed.
            Unavailable: the store does not answer.
        """
        if sure and not self.lost():
            self._renew()
        if lost := self.lost():
            raise lost

    def lost(self) -> LeaseLost | None:
        """Why what is done under the lease must not go on; None while it holds."""
        # Counted from before the last request that was confirmed, so this clock runs out no later than the store's: a
        # process that takes over by the store's clock finds this one stopped.
        if not self._lost and time.monotonic() - self._renewed > self._lease.seconds:
            self.give_up(f"The lease on {self._lease.name} ran out: it could not be renewed.")
            log.warning("what is done under it is given up: %s", self._lost)
        return self._lost

    def give_up(self, why: str) -> None:
        """Treat the lease as lost."""
        self._lost = self._lost or LeaseLost(why, "Stop and leave no trace.")

    def retry(self, write: Callable[[], object]) -> None:
        """Do a write that may be repeated, again and again while the store is away and the lease may still hold.

        Raises:
            LeaseLost: the store says that the lease is gone.
            Unavailable: the store stayed away for longer than the lease.
        """
        while True:
            try:
                with within(self._lease.seconds / 3):
                    write()
            except Unavailable as error:
                if self.lost():
                    raise
                log.warning("the result could not be written yet: %s", error)
            else:
                return
            time.sleep(self._pause)

    def start(self) -> None:
        """Start the thread, unless the block has ended; for the starter alone.

        Raises:
            RuntimeError: the process may have no more threads.
        """
        if not self._done.is_set():
            thread = threading.Thread(target=self._keep, name="rollq-lease", daemon=True)
            thread.start()
            self._thread = thread

    def end(self) -> threading.Thread | None:
        """The block ends; returns the thread to wait for, if there is one. For the starter alone."""
        self._done.set()
        return self._thread

    def ends_within(self, seconds: float) -> bool:
        """Wait for the end of the block; whether it came."""
        return self._done.wait(seconds)

    @property
    def _pause(self) -> float:
        # A sixth, because a renewal is due at a third: one late tick, as on a busy machine, does not make it miss.
        return min(TICK_SECONDS, self._lease.seconds / 6)

    def _keep(self) -> None:
        """The thread: renew when a third of the lease is over, or something is odd; end when it is lost."""
        while not self._done.wait(self._pause):
            if self._on_tick:
                self._on_tick()
            if time.monotonic() - self._renewed < self._lease.seconds / 3 and self._seems_held():
                continue
            try:
                self._renew()
            except RollqError as error:
                # What was done under it may have been committed a moment ago: then the block ends now.
                if isinstance(error, LeaseLost) and self._done.wait(self._pause):
                    return
                log.warning("the lease could not be renewed: %s", error)
            if self.lost():
                if self._on_lost:
                    self._on_lost()
                return

    def _renew(self) -> None:
        """Renew once. The lease counts from before the request: the answer may come late. Raises as ``check``."""
        asked = time.monotonic()
        try:
            with within(self._lease.seconds / 3):
                self._lease.renew()
        except LeaseLost as error:
            self._lost = error
            raise
        # Only after the store has confirmed it: an answer that never came renews nothing.
        self._renewed = asked

    def _seems_held(self) -> bool:
        """Whether a cheap look says that the lease still holds; if not, ``_renew`` finds out for sure."""
        if self._lease.holds is None:
            return True
        try:
            with within(self._lease.seconds / 3):
                return self._lease.holds()
        except Unavailable:
            return True


class _Starter:
    """Starts the threads of work that lasts, one thread for all: a thread each would cost more than a short task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._new: list[LeaseRenewer] = []
        self._thread: threading.Thread | None = None

    def add(self, renewer: LeaseRenewer) -> None:
        """Start the renewer's thread within ``SHORT_SECONDS``, if its block has not ended by then."""
        with self._lock:
            self._new.append(renewer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rollq-leases", daemon=True)
                self._thread.start()
        self._woken.set()

    def remove(self, renewer: LeaseRenewer) -> threading.Thread | None:
        """The renewer's block has ended; returns the thread to wait for, if there is one."""
        with self._lock:
            return renewer.end()

    def _run(self) -> None:
        while self._woken.wait():
            # Short work ends within this pause, and is taken off the list without having cost a thread.
            time.sleep(SHORT_SECONDS)
            with self._lock:
                self._woken.clear()
                self._new = [renewer for renewer in self._new if not _started(renewer)]
                if self._new:
                    self._woken.set()


def _started(renewer: LeaseRenewer) -> bool:
    try:
        renewer.start()
    except RuntimeError as error:  # no more threads: perhaps in a moment
        log.warning("the lease is not renewed yet: %s", error)
        return False
    return True


_starter = _Starter()


def _after_fork() -> None:
    """A forked process has no threads."""
    # Locks of the parent may be held by threads that do not exist here, so nothing of it is used again.
    global _starter
    _starter = _Starter()


os.register_at_fork(after_in_child=_after_fork)
