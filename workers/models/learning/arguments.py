"""Arguments that models of trees share, checked."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches

from rollq.tasks.errors import ComponentError
from rollq.workers.models.learning.losses import KEY as LOSS
from rollq.workers.models.learning.losses import loss_name
from rollq.workers.models.learning.own_functions import is_own
from rollq.workers.models.learning.targets import check_grades

NEEDS_VALID, VALID_FIX = "early_stopping_rounds needs a segment valid.", "Add it under dataset.kwargs.segments."
LARGEST_SEED = 2**31 - 1  # the libraries keep seeds in signed numbers of 32 bits
QUANTILES = (0.1, 0.5, 0.9)


def loss_of(loss: object, objective: object, known: tuple[str, ...]) -> object:
    """rollq's name of a loss, or the component of one's own.

    Args:
        loss, objective: two names of one argument.
        known: the losses that the model has.

    Raises:
        ComponentError: both are given, or it is unknown.
    """
    if objective is not None and loss != "mse":
        raise ComponentError("it is the same as 'loss', which is there too.", "Keep one.", "model.kwargs.objective")
    given, key = (loss, LOSS) if objective is None else (objective, "model.kwargs.objective")
    return given if is_own(given) else loss_name(given, known, key)


def check_training(loss: object, rounds: object, patience: object, seed: object, grades: object) -> None:
    """Refuse what cannot be how trees are trained.

    Args:
        loss: as ``loss_of`` gives it.
        rounds: ``num_boost_round``.
        patience: ``early_stopping_rounds``; None: never.
        seed, grades: as the models name them.

    Raises:
        ComponentError: it names the argument.
    """
    check_count(rounds, "num_boost_round")
    if patience is not None:
        check_count(patience, "early_stopping_rounds")
    check_seed(seed)
    check_grades(grades, loss)


def check_taken(name: str, renamed: Mapping[str, str], set_here: Mapping[str, str]) -> None:
    """Refuse a parameter of a library that is none of a template's.

    Args:
        renamed: what has another name here, by the library's.
        set_here: why a template may not set it.

    Raises:
        ComponentError: it names the parameter.
    """
    key = f"model.kwargs.{name}"
    if name in renamed:
        raise ComponentError(f"it has another name here: {renamed[name]}.", "Use that one.", key)
    if name in set_here:
        raise ComponentError(f"it is not for a template: {set_here[name]}.", "Leave it out.", key)


def check_count(value: object, name: str) -> None:
    """Refuse what is no number of rounds.

    Raises:
        ComponentError: it names the argument.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ComponentError(
            f"{value!r} is no number of rounds.", "Use a whole number above 0.", f"model.kwargs.{name}"
        )


def check_seed(seed: object) -> None:
    """Refuse what is no seed.

    Raises:
        ComponentError: it is none.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise ComponentError(
            f"{seed!r} is no seed.", f"Use a whole number from 0 to {LARGEST_SEED}.", "model.kwargs.seed"
        )


def quantiles_of(alpha: object) -> list[float]:
    """The quantiles that a template names, from low to high; ``QUANTILES`` if it names none.

    Raises:
        ComponentError: one is not between 0 and 1, or there twice.
    """
    given = QUANTILES if alpha is None else alpha if isinstance(alpha, list | tuple) else [alpha]
    numbers = [float(one) for one in given if isinstance(one, int | float) and 0 < one < 1]
    if not numbers or len(numbers) < len(given) or len(set(numbers)) < len(numbers):
        raise ComponentError(
            f"{alpha!r} are no quantiles.",
            "Use numbers between 0 and 1, each once: [0.1, 0.5, 0.9].",
            "model.kwargs.alpha",
        )
    return sorted(numbers)


def misspelt(name: str, *classes: object) -> str:
    """A hint for a name that a library does not know: the closest of the arguments of these classes.

    Args:
        classes: the model, and a class of the library that lists its parameters.
    """
    known = {one for cls in classes if callable(cls) for one in inspect.signature(cls).parameters}
    close = get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else "Correct its name, or leave it out."
