"""What a portfolio wants to hold: against Qlib's own strategy, and by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rollq.tasks.predictions.portfolio.selection import long_short, proportional, top_with_dropout
from tests.unit.tasks.predictions.portfolio.markets import made


def test_top_with_dropout_is_what_qlib_holds(tmp_path: Path) -> None:
    score, market = made(sessions=30, instruments=20)
    scores, prices = score.unstack(), market["price"].unstack()
    asked = {"k": 6, "n_drop": 2, "scores": scores.to_dict("records"), "prices": prices.to_dict("records")}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("qlib_topk.py"))],
        input=json.dumps(asked),
        cwd=tmp_path,
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    held, before = np.zeros(20), None
    for session, theirs in enumerate(json.loads(done.stdout.splitlines()[-1])):
        now = prices.iloc[session].to_numpy()
        if before is not None:
            moved = held * now / before
            held = moved / (1 - held.sum() + moved.sum())
        held = top_with_dropout(scores.iloc[session].to_numpy(), held, np.full(20, True), 6, 2)
        worth = {name: shares * prices.iloc[session][name] for name, shares in theirs["shares"].items()}
        value = sum(worth.values()) + theirs["cash"]
        expected = [worth.get(name, 0.0) / value for name in prices.columns]
        np.testing.assert_allclose(held, expected, atol=1e-9)
        before = now


def test_fewer_instruments_than_places_are_all_held_and_not_sold_for_nothing() -> None:
    score = np.array([3.0, 1.0, 2.0])
    held = top_with_dropout(score, np.zeros(3), np.full(3, True), 50, 5)
    assert held.tolist() == pytest.approx([1 / 3] * 3)
    assert top_with_dropout(-score, held, np.full(3, True), 50, 5).tolist() == held.tolist()


def test_what_has_no_price_is_neither_bought_nor_sold() -> None:
    held = np.array([0.5, 0.5, 0.0, 0.0])
    score = np.array([0.0, 1.0, 9.0, 8.0])
    kept = top_with_dropout(score, held, np.array([False, True, False, True]), 2, 2)
    assert kept.tolist() == [0.5, 0.0, 0.0, 0.5]


def test_what_is_held_and_has_no_score_goes_first() -> None:
    kept = top_with_dropout(np.array([np.nan, -5.0, 1.0]), np.array([0.4, 0.6, 0.0]), np.full(3, True), 2, 1)
    assert kept.tolist() == pytest.approx([0.0, 0.6, 0.4])


def test_no_dropout_never_sells() -> None:
    held = np.array([0.5, 0.5, 0.0])
    assert top_with_dropout(np.array([0.0, 1, 9]), held, np.full(3, True), 2, 0).tolist() == held.tolist()


def test_the_best_are_bought_and_the_worst_sold_short() -> None:
    score = np.array([5.0, np.nan, 4, 3, 2, 1, 0, -1, -2, -3, -4])
    assert long_short(score, 0.2).tolist() == [0.25, 0, 0.25, 0, 0, 0, 0, 0, 0, -0.25, -0.25]
    assert long_short(np.array([1.0, 2.0]), 0.1).tolist() == [-0.5, 0.5]
    assert long_short(np.array([1.0, np.nan]), 0.1).tolist() == [0, 0]


def test_weights_are_as_the_scores_are() -> None:
    score = np.array([3.0, -2.0, np.nan, 1.0])
    assert proportional(score, True).tolist() == [0.75, 0, 0, 0.25]
    both = proportional(score, False)
    assert both.sum() == pytest.approx(0)
    assert np.abs(both).sum() == pytest.approx(1)
    assert both[1] < 0 < both[0]
    assert proportional(np.array([np.nan, -1.0]), True).tolist() == [0, 0]
    assert proportional(np.array([np.nan, np.nan]), False).tolist() == [0, 0]
