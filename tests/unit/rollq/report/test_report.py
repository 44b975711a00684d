"""The report: nothing from outside, nothing unescaped, and a page for every sad case."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rollq.report import charts
from rollq.report.data import ReportData, Window, duration
from rollq.report.markdown import write_markdown
from rollq.report.page import tiles, write_report
from rollq.tasks.predictions.pooling import Pooled

HOSTILE = """</script><script>alert(1)</script><img src=x onerror="alert('2')">&amp; $title ${pool}"""
ZERO = datetime(2024, 1, 2, 9, tzinfo=UTC)
METRICS = {"IC": 0.01, "ICIR": 0.1, "Rank IC": -0.02, "Rank ICIR": float("nan")}


def window(index: int, **more: Any) -> Window:
    start = ZERO + timedelta(seconds=2 * index)
    made = Window(
        index=index,
        task_id=f"{index:064x}",
        train=("2003-01-02", "2005-12-30"),
        valid=("2006-01-03", "2006-06-30"),
        test=(f"2007-{index:02d}-01", f"2007-{index:02d}-28"),
        worker=f"host/1/{index % 2}",
        started_at=start,
        ended_at=start + timedelta(seconds=2),
        attempts=1,
        status="DONE",
        metrics=dict(METRICS),
    )
    return replace(made, **more)


def report(windows: list[Window], **more: Any) -> ReportData:
    days = pd.date_range("2007-01-01", periods=3, name="datetime")
    made = ReportData(
        title="momentum",
        pool="momentum",
        generated_at=ZERO,
        windows=windows,
        daily=pd.DataFrame({"ic": [0.1, -0.2, 0.3], "rank_ic": [0.1, float("nan"), 0.3]}, index=days),
        phases=[("train", 12.0), ("gather", 0.5)],
        metrics=dict(METRICS),
        signals={"rows": 1234567, "start": "2007-01-01", "end": "2007-03-28", "sha256": "ab" * 32},
        online="rolling version 1",
        versions={"rollq": "0.1.0"},
        cores=2,
    )
    return replace(made, **more)


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, scripts, and the text between."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    def ids(self) -> set[str | None]:
        return {attributes.get("id") for _, attributes in self.tags}


def test_the_page_asks_for_nothing_from_outside(tmp_path: Path) -> None:
    page = Page(write_report(report([window(1), window(2)]), tmp_path / "new" / "report.html"))
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base"}
        assert not {"src", "href", "srcset", "action", "style-src"} & set(attributes), (tag, attributes)
    policies = [a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert "default-src 'none'" in str(policies[0])
    assert "http" not in str(policies[0])
    css = re.search(r"<style>(.*?)</style>", (tmp_path / "new" / "report.html").read_text(), re.DOTALL)
    assert css
    assert "url(" not in css[1]
    assert "@import" not in css[1]


def test_all_charts_and_rows_are_there(tmp_path: Path) -> None:
    page = Page(write_report(report([window(1), window(2)]), tmp_path / "report.html"))
    assert {"timeline", "per_window", "cumulative", "phases"} <= page.ids()
    assert sum(tag == "tr" for tag, _ in page.tags) == 3
    assert "1,234,567 rows, 2007-01-01 to 2007-03-28" in page.text
    assert "2007-02-01 to 2007-02-28" in page.text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    plain = Page(write_report(report([window(1)]), tmp_path / "plain.html"))
    hostile = report(
        [window(1, worker=HOSTILE, status=HOSTILE, test=("2007-01-01", None))],
        title=HOSTILE,
        pool=HOSTILE,
        online=HOSTILE,
        phases=[(HOSTILE, 1.0)],
        signals={"rows": 1, "start": HOSTILE, "end": HOSTILE, "sha256": HOSTILE},
        versions={HOSTILE: HOSTILE},
    )
    page = Page(write_report(hostile, tmp_path / "hostile.html"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert HOSTILE in page.text


def test_plotly_is_given_no_markup_of_others() -> None:
    for figure in (
        charts.timeline(report([window(1, worker=HOSTILE, status=HOSTILE)])),
        charts.per_window(report([window(1, member=HOSTILE)])),
        charts.phases(report([], phases=[(HOSTILE, 1.0)])),
    ):
        assert figure
        shown = json.dumps(json.loads(figure.to_json())["data"])
        assert "script&gt;" in shown
        assert "<script" not in shown
        assert "<img" not in shown


def test_a_failed_window_is_shown(tmp_path: Path) -> None:
    data = report([window(1), window(2, status="FAILED", metrics={}, attempts=3)])
    assert dict(tiles(data))["windows done"] == "1 of 2"
    assert dict(tiles(data))["failed"] == "1"
    assert [bar.name for bar in charts.timeline(data).data] == ["done", "failed"]
    page = Page(write_report(data, tmp_path / "report.html"))
    assert [attributes.get("class") for tag, attributes in page.tags if tag == "tr"] == [None, None, "bad"]
    assert "FAILED" in page.text


def test_waiting_windows_are_neither_failed_nor_drawn(tmp_path: Path) -> None:
    data = report([window(1), window(2, status="WAITING", metrics={}, started_at=None, ended_at=None, worker="")])
    assert "failed" not in dict(tiles(data))
    assert [bar.customdata[0][0] for bar in charts.timeline(data).data] == [1]
    assert "WAITING" in Page(write_report(data, tmp_path / "report.html")).text


@pytest.mark.parametrize("windows", [[], [window(1, metrics={}, started_at=None)], [window(1, metrics={})]])
def test_no_metrics_at_all(windows: list[Window], tmp_path: Path) -> None:
    bare = pd.DataFrame(columns=["ic", "rank_ic"])
    page = Page(write_report(report(windows, daily=bare, metrics={}, signals={}, phases=[]), tmp_path / "report.html"))
    assert "There is nothing to show." in page.text
    assert "No signals were written." in page.text
    assert "None" not in page.text
    assert "nan" not in page.text


def test_headline_numbers() -> None:
    shown = dict(tiles(report([window(1), window(2), window(4)])))
    assert shown["Rank IC ↑"] == "−0.0200"
    assert shown["Rank ICIR ↑"] == "–"
    assert shown["in all"] == "12.5 s"
    assert shown["workers busy"] == "38%"  # 6 s of windows in 8 s on two workers


def test_metrics_of_any_name_have_columns_bars_and_groups(tmp_path: Path) -> None:
    own = {"MAE": 0.5, "profit": 3.0, "MAE (sector=<b>)": 0.25}
    windows = [window(1, metrics={"MAE": 0.4}), window(2, metrics={"MAE": 0.6, "profit": 3.0})]
    data = report(windows, metrics=own, daily=pd.DataFrame(columns=["ic", "rank_ic"]), better={"profit": "higher"})
    assert dict(tiles(data))["MAE ↓"] == "0.5000"
    page = Page(write_report(data, tmp_path / "report.html"))
    assert {"metric_0", "metric_1"} <= page.ids()
    assert "per_window" not in page.ids()  # nothing is said of coefficients
    assert "profit ↑" in page.text
    assert "<b>" in page.text
    assert list(charts.metric_per_window(data, "MAE").data[0].y) == [0.4, 0.6]
    shown = write_markdown(data, tmp_path / "report.md").read_text()
    assert "| sector | &lt;b> | 0.2500 |" in shown
    assert "MAE ↓ | profit ↑ |" in shown


def zones(number: int, mae: float, rows: int, member: str) -> Window:
    pooled = {"MAE": Pooled("mean", [mae * rows, rows])}
    return window(
        number, test=(f"2007-0{(number + 1) // 2}-01", None), member=member, metrics={"MAE": mae}, pooled=pooled
    )


def test_members_are_pooled_by_their_rows(tmp_path: Path) -> None:
    windows = [
        zones(1, 1.0, 300, "zone=A"),
        zones(2, 3.0, 100, "zone=B"),
        zones(3, 2.0, 100, "zone=A"),
        zones(4, 4.0, 100, "zone=B"),
    ]
    data = report(windows, metrics={"MAE": 2.0}, daily=pd.DataFrame(columns=["ic", "rank_ic"]))
    (bars,) = charts.metric_per_window(data, "MAE").data
    assert list(bars.x) == ["2007-01-01", "2007-02-01"]
    assert list(bars.y) == [1.5, 3.0]  # by rows: (300 x 1 + 100 x 3) / 400
    assert bars.customdata[0][0] == "2 windows"
    assert data.by_member == {"zone=A": {"MAE": 1.25}, "zone=B": {"MAE": 3.5}}
    page = Page(write_report(data, tmp_path / "report.html"))
    assert "By model" in page.text
    assert "| zone=A | 1.2500 |" in write_markdown(data, tmp_path / "report.md").read_text()
    assert not report([window(1), window(2)]).by_member


def test_other_horizons_are_not_pooled_with_the_first() -> None:
    first, later = zones(1, 1.0, 100, "horizon=1"), replace(zones(2, 5.0, 100, "horizon=5"), counts=False)
    data = report([first, later])
    assert [dict(step.metrics) for step in data.steps] == [{"MAE": 1.0}]
    assert data.by_member == {"horizon=1": {"MAE": 1.0}, "horizon=5": {"MAE": 5.0}}


def test_on_a_narrow_screen_each_cell_says_what_it_is(tmp_path: Path) -> None:
    page = Page(write_report(report([window(1)], metrics={HOSTILE: 1.0}), tmp_path / "report.html"))
    cells = [attributes["data-of"] for tag, attributes in page.tags if tag == "td"]
    assert cells[:5] == ["#", "status", "train", "valid", "test"]
    assert HOSTILE in cells
    assert {attributes.get("class") for tag, attributes in page.tags if tag == "table"} == {"windows stack"}


def test_the_timeline_counts_from_the_first_start_and_sorts_workers() -> None:
    figure = charts.timeline(report([window(2), window(1)]))
    assert list(figure.data[0].base) == [2.0, 0.0]
    assert list(figure.data[0].x) == [2.0, 2.0]
    assert list(figure.data[0].y) == ["worker 1", "worker 2"]
    assert list(figure.layout.yaxis.categoryarray) == ["worker 1", "worker 2"]


def test_the_running_sum_skips_days_without_a_coefficient() -> None:
    figure = charts.cumulative(report([]))
    assert list(figure.data[0].y) == [0.1, None, 0.4]
    assert list(figure.data[1].y) == [0.1, -0.1, 0.2]


def test_bars_are_as_wide_as_the_test_segment() -> None:
    figure = charts.per_window(report([window(1)]))
    assert figure.data[0].width[0] + figure.data[1].width[0] == pytest.approx(0.8 * 28 * 86_400_000)


@pytest.mark.parametrize(("seconds", "shown"), [(1.44, "1.4 s"), (600, "10.0 min"), (15_120, "4.2 h")])
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
