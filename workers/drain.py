"""Draining: a stopping worker tells its pool processes to finish soon, and then to give their tasks back."""

from __future__ import annotations

import mmap


class DrainFlag:
    """One byte shared by a worker's main process and the pool processes forked from it.

    Shared memory without a lock: a pool process that is killed while it looks cannot block the others.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def raise_(self) -> None:
        """Tell the pool processes to give their tasks back."""
        self._memory[0] = 1

    def is_raised(self) -> bool:
        """Whether tasks must be given back now."""
        return self._memory[0] == 1
