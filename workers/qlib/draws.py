"""Random numbers of a model: the same task draws the same ones, whatever else this process has drawn."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator

import numpy as np

SEED = 0


class Draws:
    """What one model draws: its constructor begins with the same seed, or its own, and training goes on from there.

    That is what it draws in a process that does nothing else. What the process itself draws stays as it was.
    """

    def __init__(self) -> None:
        self._begin: Callable[[], None] = _seed

    @contextlib.contextmanager
    def making(self) -> Iterator[None]:
        """Inside, the constructor runs."""
        with _apart():
            _seed()
            yield
            self._begin = _here()

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Inside, the model is trained."""
        with _apart():
            self._begin()
            yield


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    back = _here()
    try:
        yield
    finally:
        back()


def _seed() -> None:
    random.seed(SEED)
    np.random.seed(SEED)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(SEED)


def _here() -> Callable[[], None]:
    """A function that goes back to where all that draw are now."""
    python, numbers = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    tensors = torch.get_rng_state() if torch else None
    cuda = torch.cuda.get_rng_state_all() if torch and torch.cuda.is_initialized() else None

    def back() -> None:
        random.setstate(python)
        np.random.set_state(numbers)
        if torch:
            torch.set_rng_state(tensors)
        if torch and cuda is not None:
            torch.cuda.set_rng_state_all(cuda)

    return back
