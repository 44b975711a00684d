"""The keywords of a portfolio."""

from __future__ import annotations

from typing import Any

import pytest

from rollq.tasks.errors import BadInput
from rollq.tasks.predictions.portfolio.files import folder_of, folders_in
from rollq.tasks.predictions.portfolio.options import PortfolioOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "best"},
        {"k": 0},
        {"k": True},
        {"n_drop": -1},
        {"delay": 0},
        {"quantile": 0},
        {"quantile": 0.6},
        {"buy_bps": -1},
        {"sell_bps": "5"},
        {"delisting_return": -2},
        {"sessions_per_year": 0},
        {"price": ""},
        {"benchmark": "index"},
        {"benchmark": {"instrument": "a", "column": "b"}},
        {"benchmark": {"file": "a"}},
    ],
)
def test_what_is_not_possible_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        PortfolioOptions(**wrong)


def test_they_are_written_and_read() -> None:
    options = PortfolioOptions(k=3, benchmark={"column": "index"})
    assert PortfolioOptions.of({**options.to_dict(), "name": "x", "of another version": 1}) == options
    assert (options.benchmark_column, options.benchmark_instrument) == ("index", None)
    assert PortfolioOptions().benchmark_column is None


def test_the_folders_of_portfolios_are_found() -> None:
    names = [folder_of(""), folder_of("wide")]
    artifacts = [*(f"{name}/market.parquet" for name in names), "other/market.parquet", "portfolio/options.json"]
    assert folders_in(artifacts) == names == ["portfolio", "portfolio_wide"]
