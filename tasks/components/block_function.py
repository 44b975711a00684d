"""What a function of one's own in expressions is: arithmetic on whole blocks, with a look-back that is declared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Block = npt.NDArray[np.float64]


class BlockFunction(ABC):
    """A function that expressions call by the name of its class: ``Spread(high, low, window=20)``.

    The arguments of ``compute`` that have a place are expressions; those that have a name alone (behind ``*``) are
    options: whole numbers, numbers, texts, True or False, as their annotations say.
    """

    across: ClassVar[bool] = False  # whether a value depends on the other instruments of its row

    @abstractmethod
    def compute(self, *blocks: Any, **options: Any) -> Block:
        """The values: times x instruments, as each block, float64; NaN where there is none.

        A value must depend on its own row and the ``lookback`` rows before it, and on nothing else.
        """

    @abstractmethod
    def lookback(self, **options: Any) -> int:
        """How many rows before its own a value depends on, with these options."""
