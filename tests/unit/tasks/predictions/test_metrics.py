"""Information coefficients against a slow and plain computation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollq.tasks.predictions.metrics import annualised, daily_ic, long_short, summary


def pairs(days: int = 40, instruments: int = 30, seed: int = 1) -> tuple[pd.Series, pd.Series]:
    random = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=days), [f"S{number:02d}" for number in range(instruments)]],
        names=["datetime", "instrument"],
    )
    score = pd.Series(random.normal(size=len(index)), index, name="score")
    label = pd.Series(0.3 * score + random.normal(size=len(index)), index, name="label").round(1)  # with ties
    return score, label.where(random.random(len(index)) > 0.1)


def one_by_one(score: pd.Series, label: pd.Series) -> pd.DataFrame:
    """By a loop over days, with numpy's correlation of values and of average ranks."""
    rows = {}
    for day, frame in pd.DataFrame({"score": score, "label": label}).dropna().groupby(level="datetime"):
        ranks = frame.rank()
        rows[day] = {
            "ic": np.corrcoef(frame["score"], frame["label"])[0, 1],
            "rank_ic": np.corrcoef(ranks["score"], ranks["label"])[0, 1],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def test_it_is_pearson_and_spearman_by_day() -> None:
    score, label = pairs()
    pd.testing.assert_frame_equal(
        daily_ic(score, label), one_by_one(score, label), check_names=False, check_freq=False, rtol=1e-10
    )


def test_pairs_are_joined_by_index_not_by_position() -> None:
    score, label = pairs()
    pd.testing.assert_frame_equal(daily_ic(score, label.sample(frac=1, random_state=1)), daily_ic(score, label))


@pytest.mark.parametrize(("scale", "shift"), [(1e-12, 0.0), (1e-200, 0.0), (1e6, 0.0), (-1.0, 3.0)])
def test_the_scale_of_a_score_does_not_matter(scale: float, shift: float) -> None:
    score, label = pairs()
    expected = daily_ic(score, label) * np.sign(scale)
    pd.testing.assert_frame_equal(daily_ic(score * scale + shift, label), expected, rtol=1e-8)


def test_days_that_say_nothing_are_left_out() -> None:
    score, label = pairs(5, 3, seed=3)  # the mean of three times 0.1, as computed, is not 0.1
    label = label.fillna(0.0)
    days = score.index.get_level_values(0).unique()
    score.loc[days[0]] = 0.1  # does not vary
    label.loc[days[1]] = 123_456_789.1
    label.loc[days[2]] = [np.nan, np.nan, 1.0]  # one pair
    label.loc[days[3]] = np.nan
    assert list(daily_ic(score, label).index) == [days[4]]


def test_infinite_labels_are_no_pairs() -> None:
    score, label = pairs(3)
    holes = label.copy()
    holes.iloc[3] = np.nan
    label.iloc[3] = np.inf
    pd.testing.assert_frame_equal(daily_ic(score, label), daily_ic(score, holes))


def test_a_perfect_score_has_rank_ic_1() -> None:
    score, _ = pairs(3)
    found = daily_ic(score, np.exp(score))
    assert found["rank_ic"].to_numpy() == pytest.approx(np.ones(3))
    assert (found["ic"] < 0.999).all()


def test_the_summary_is_mean_and_mean_over_sample_deviation() -> None:
    daily = pd.DataFrame({"ic": [0.1, 0.3], "rank_ic": [0.0, -0.2]})
    found = summary(daily)
    assert list(found) == ["IC", "ICIR", "Rank IC", "Rank ICIR"]
    assert found["IC"] == pytest.approx(0.2)
    assert found["ICIR"] == pytest.approx(0.2 / np.std([0.1, 0.3], ddof=1))
    assert found["Rank IC"] == pytest.approx(-0.1)
    assert found["Rank ICIR"] == pytest.approx(-0.1 / np.std([0.0, -0.2], ddof=1))


def test_a_summary_has_no_nan() -> None:
    assert summary(pd.DataFrame({"ic": [], "rank_ic": []})) == {}
    assert summary(pd.DataFrame({"ic": [0.1], "rank_ic": [0.2]})) == {"IC": 0.1, "Rank IC": 0.2}


def test_both_ends_of_a_day_against_one_day_at_a_time() -> None:
    score, label = pairs(days=12, instruments=23)
    score = score.round(1)  # with ties: of equal scores those that stand first count
    found = long_short(score, label)
    for day, frame in pd.DataFrame({"score": score, "label": label}).groupby(level="datetime"):
        best, worst = frame.nlargest(4, "score")["label"].mean(), frame.nsmallest(4, "score")["label"].mean()
        assert found.loc[day, "long_short"] == pytest.approx((best - worst) / 2, rel=1e-12)
        assert found.loc[day, "long_avg"] == pytest.approx(frame["label"].mean(), rel=1e-12)
    metrics = annualised(found, 252)
    assert metrics["Long-Avg Ann Return"] == pytest.approx(found["long_avg"].mean() * 252)
    sharpe = found["long_short"].mean() / found["long_short"].std() * 252**0.5
    assert metrics["Long-Short Ann Sharpe"] == pytest.approx(sharpe)
    few = score.groupby(level="datetime").head(3)  # nobody stands on a side
    assert long_short(few, label.reindex(few.index))["long_short"].isna().all()
    assert set(annualised(long_short(few, label.reindex(few.index)), 252)) == {
        "Long-Avg Ann Return",
        "Long-Avg Ann Sharpe",
    }
