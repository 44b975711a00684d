"""What is better of a metric: more, or less."""

from __future__ import annotations

import pytest

from rollq.tasks.predictions.directions import direction_of, is_of_group, marked, metric_of, of_group


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("MAE", "lower"),
        ("Pinball q0.025", "lower"),
        ("Width 80%", "lower"),
        ("Coverage 80%", ""),
        ("Bias", ""),
        ("NDCG@10", "higher"),
        ("Long-Short Ann Sharpe", "higher"),
        ("Sharpe before cost", "higher"),
        ("MAE (sector=Food (fresh))", "lower"),
        ("profit", ""),
    ],
)
def test_known_names_have_a_direction(name: str, better: str) -> None:
    assert direction_of(name) == better


def test_a_record_says_it_of_its_own_and_goes_before_what_is_known() -> None:
    declared = {"profit": "higher", "MAE": "higher"}
    assert direction_of("profit (sector=a)", declared) == "higher"
    assert direction_of("MAE", declared) == "higher"
    assert marked("profit", declared) == "profit ↑"
    assert marked("MAE") == "MAE ↓"
    assert marked("Bias") == "Bias"


def test_the_metric_of_a_group_is_told_from_others() -> None:
    name = of_group("MAE", "sector", "Food (fresh)")
    assert is_of_group(name)
    assert metric_of(name) == "MAE"
    assert not is_of_group("Pinball q0.1")
