"""The model and its challengers in the report, and on the terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rollq.cli.comparison import show_comparison
from rollq.report.compared import compared_rows, compared_section, said
from rollq.report.markdown import write_markdown
from rollq.report.page import write_report
from rollq.scheduler.champions.bootstrap import Interval
from rollq.scheduler.champions.comparison import Comparison
from tests.unit.rollq.report.test_report import HOSTILE, report, window

HEADS = ["metric", "shop", "naive", "difference naive", "lazy", "difference lazy"]


def interval(mean: float, low: float, high: float, p_better: float) -> Interval:
    return Interval(mean, low, high, p_better, 4, 2_000, 60, 0.95)


def comparison(challenger: str = "naive") -> Comparison:
    return Comparison(
        champion="shop",
        challenger=challenger,
        metrics={
            "shop": {"MAE": 1.0, "Bias": 0.5, "R2": 0.25, "MAE (sector=A)": 9.0, "Score Turnover": 0.5},
            challenger: {"MAE": 1.5, "Bias": 0.25, "R2": 0.125, "MAE (sector=A)": 8.0, "Score Turnover": None},
        },
        difference={"MAE": interval(0.5, 0.25, 0.75, 0.01), "Bias": interval(-0.25, -0.5, -0.125, 0.02)},
        turnover=None,
        sessions=60,
        start="2024-01-01",
        end="2024-03-01",
        rows=1234,
        better={"MAE": "lower"},
    )


def test_one_table_has_all_challengers_of_the_same_rows() -> None:
    lazy = replace(comparison("lazy"), difference={"MAE": interval(-0.5, -0.75, 0.25, 0.9)})
    ((about, columns, rows),) = compared_rows(report([], compared=[comparison(), lazy]))
    assert about == "1,234 rows of 60 sessions, 2024-01-01 to 2024-03-01; 95% intervals."
    assert columns == HEADS
    assert rows == [
        ["MAE ↓", "1.0000", "1.5000", "+0.5000 (+0.2500 to +0.7500) worse", "1.5000", "−0.5000 (−0.7500 to +0.2500)"],
        ["Bias", "0.5000", "0.2500", "−0.2500 (−0.5000 to −0.1250) different", "0.2500", "–"],
        ["R2 ↑", "0.2500", "0.1250", "–", "0.1250", "–"],
        ["Score Turnover", "0.5000", "–", "–", "–", "–"],
    ]


def test_less_is_better_of_errors_and_more_of_the_rest() -> None:
    better = replace(
        comparison(),
        difference={"MAE": interval(-0.5, -0.75, -0.25, 0.99), "R2": interval(0.25, 0.125, 0.5, 0.99)},
        better={"MAE": "lower", "R2": "higher"},
    )
    ((_, _, rows),) = compared_rows(report([], compared=[better]))
    assert [row[0] for row in rows if row[3].endswith(" better")] == ["MAE ↓", "R2 ↑"]


def test_a_challenger_with_other_rows_has_a_table_of_its_own() -> None:
    found = compared_rows(report([], compared=[comparison(), replace(comparison("lazy"), rows=1000)]))
    assert [columns for _, columns, _ in found] == [
        ["metric", "shop", name, "difference"] for name in ("naive", "lazy")
    ]


def test_a_challenger_of_the_model_goes_by_its_own_name() -> None:
    ((_, columns, rows),) = compared_rows(report([], compared=[comparison("shop:naive")]))
    assert columns == ["metric", "shop", "naive", "difference"]
    assert rows[0][2] == "1.5000"


def test_who_is_not_compared_is_named(tmp_path: Path) -> None:
    one = replace(comparison(HOSTILE), left_out={"StockOut": HOSTILE})
    data = report([window(1)], compared=[one], apart={HOSTILE: "its windows failed"})
    assert f"{HOSTILE} is not compared: its windows failed" in said(data)
    assert f"StockOut measured nothing: {HOSTILE}" in said(data)
    html = compared_section(data)
    assert "Compared on the same rows" in html
    assert "<script>" not in html
    assert html in write_report(data, tmp_path / "report.html").read_text()
    text = write_markdown(data, tmp_path / "report.md").read_text()
    assert "## Compared on the same rows" in text
    assert "| MAE ↓ | 1.0000 | 1.5000 | +0.5000 (+0.2500 to +0.7500) worse |" in text
    assert "<script>" not in text


def test_without_challengers_there_is_no_section(tmp_path: Path) -> None:
    assert compared_section(report([window(1)])) == ""
    assert "Compared" not in write_markdown(report([window(1)]), tmp_path / "report.md").read_text()


def test_the_terminal_shows_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(replace(comparison(), left_out={"StockOut": "it has no column"}))
    lines = [[cell.strip() for cell in re.split("[│┃]", line)] for line in capsys.readouterr().out.splitlines()]
    assert ["naive against shop: 60 sessions, 2024-01-01 to 2024-03-01"] in lines
    assert ["metric", "shop", "naive", "difference", "95% interval", "better with probability"] in lines
    assert ["MAE ↓", "1.0000", "1.5000", "+0.5000", "+0.2500 to +0.7500 *", "1%"] in lines
    assert ["Bias", "0.5000", "0.2500", "-0.2500", "-0.5000 to -0.1250 *", ""] in lines
    assert ["Score Turnover", "0.5000", "", "", "", ""] in lines
    assert ["StockOut measured nothing: it has no column"] in lines
