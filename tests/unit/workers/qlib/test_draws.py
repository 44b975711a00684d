"""What a model draws depends on nothing else that draws."""

from __future__ import annotations

import contextlib
import random

import numpy as np

from rollq.workers.qlib.draws import Draws


def _drawn() -> tuple[float, float]:
    return random.random(), float(np.random.random())


def test_training_goes_on_where_the_constructor_stopped() -> None:
    """Whatever the process draws in between."""
    np.random.seed(0)
    random.seed(0)
    together = [_drawn() for _ in range(3)]
    draws = Draws()
    with draws.making():
        made = _drawn()
    _drawn()
    with draws.training():
        trained = [_drawn(), _drawn()]
    assert [made, *trained] == together


def test_a_constructors_own_seed_counts() -> None:
    draws = Draws()
    with draws.making():
        np.random.seed(5)
    with draws.training():
        found = np.random.random()
    assert found == np.random.RandomState(5).random_sample()


def test_a_model_that_was_read_begins_with_the_seed() -> None:
    with Draws().training():
        found = np.random.random()
    assert found == np.random.RandomState(0).random_sample()


def test_what_the_process_draws_stays_as_it_was() -> None:
    """Also when a model fails."""
    np.random.seed(11)
    expected = np.random.RandomState(11).random_sample(2)
    first = np.random.random()
    with contextlib.suppress(ValueError), Draws().training():
        np.random.random(7)
        raise ValueError("none")
    assert [first, np.random.random()] == list(expected)
