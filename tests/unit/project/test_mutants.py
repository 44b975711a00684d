"""The list of mutants fits the source: `make mutants` runs them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_another_program(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert mutant.occurrences(ROOT) == 1, f"{mutant.file} has changed: find the place of this mutant again"
    assert ast.dump(ast.parse(mutant.breaks(text))) != ast.dump(ast.parse(text))
    assert (ROOT / mutant.tests[0]).is_file()


def test_there_are_enough_and_each_has_a_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 12


def test_a_mutant_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="stands 2 times"):
        Mutant("twice", "x.py", "a", "b", ()).breaks("a a")
