"""Arguments of ``PanelDataset`` that are lists: the instruments of its universe, and what its processors learned."""

from __future__ import annotations

from collections.abc import Sequence

from rollq.tasks.errors import TemplateError
from rollq.workers.datasets import processors as processing
from rollq.workers.datasets.prices import UNIVERSE_KEY


def check_universe(universe: object) -> tuple[str, ...] | None:
    """The instruments of a universe as text, sorted, each once; None: all that the data have.

    Raises:
        TemplateError: it is no list of names.
    """
    if universe is None:
        return None
    if not isinstance(universe, Sequence) or isinstance(universe, str):
        raise TemplateError("the universe is a list of instruments.", "Write universe: [AAPL, AMD].", UNIVERSE_KEY)
    for position, name in enumerate(universe):
        number = isinstance(name, int) and not isinstance(name, bool) and name >= 0  # 600519: its digits are its name
        if not (number or isinstance(name, str)):
            raise TemplateError(f"{name!r} is no text.", "Put it in quotes.", f"{UNIVERSE_KEY}[{position}]")
    return tuple(sorted({str(name) for name in universe}))


def check_fitted(
    fitted: Sequence[processing.State] | None, processors: int, features: int
) -> list[processing.State] | None:
    """What processors learned before, if it belongs to these processors and features.

    Raises:
        TemplateError: it does not.
    """
    if fitted is None:
        return None
    states: list[processing.State] = [dict(state) for state in fitted]
    widths = {len(values) for state in states for values in state.values()}
    if len(states) != processors or widths - {features}:
        key = "dataset.kwargs.fitted"
        raise TemplateError("it does not fit these processors and features.", "Leave it out: it is learned.", key)
    return states
