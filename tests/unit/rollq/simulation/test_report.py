"""The page of a simulation: nothing from outside, nothing unescaped, and a page for every sad case."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollq.scheduler.online.online_set import OnlineModel, OnlineSet
from rollq.simulation import charts as online_charts
from rollq.simulation.data import NO_DAYS, Coverage, LedgerRow, OnlineData, Stay, Track, monthly
from rollq.simulation.page import tiles, write_online_page
from rollq.simulation.report import stays
from tests.made_sets import made_set
from tests.unit.rollq.report.test_report import HOSTILE, Page

ZERO = datetime(2026, 1, 2, 9, tzinfo=UTC)
CHARTS = {"served", "monthly_rank_ic", "monthly_ic", "cumulative", "phases"}


def daily(start: str = "2015-01-28", ic: tuple[float, ...] = (0.1, -0.2, 0.3, 0.2)) -> pd.DataFrame:
    days = pd.bdate_range(start, periods=len(ic), name="datetime")
    return pd.DataFrame({"ic": ic, "rank_ic": [value / 2 for value in ic]}, index=days)


def stay(version: int, start: str, until: str, **more: Any) -> Stay:
    return replace(Stay(version, start, until, (start, None), f"run{version}", "base"), **more)


def track(label: str, sets: int = 2, **more: Any) -> Track:
    days = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2015-01-02", periods=sets + 1, freq="20B")]
    made = Track(
        label=label,
        name=f"sim.{label}",
        daily=daily(),
        coverage=Coverage(4, 4, ()),
        models=sets,
        stays=tuple(stay(n, days[n - 1], days[n]) for n in range(1, sets + 1)),
        ledger=tuple(
            LedgerRow(n, days[n - 1], ZERO, (days[n - 1], None), "base", "simulation") for n in range(1, sets + 1)
        ),
        sha256=("ab" * 32,),
    )
    return replace(made, **more)


def simulation(tracks: tuple[Track, ...], ensemble: Track | None = None, **more: Any) -> OnlineData:
    made = OnlineData(
        title="one, two",
        name="sim.one.two",
        begin="2015-01-02",
        end="2015-02-27",
        generated_at=ZERO,
        tracks=tracks,
        ensemble=ensemble,
        phases=[("training", 12.0), ("publishing", 0.5)],
        data=("cd" * 32,),
        code=("rollq 0.1.0",),
        trained=4,
        train_seconds=20.0,
        versions={"rollq": "0.1.0"},
        cores=2,
    )
    return replace(made, **more)


def both() -> OnlineData:
    return simulation((track("one"), track("two")), track("ensemble", 0, models=None))


def tables(path: Path) -> dict[str, list[list[str]]]:
    """The tables of a page by their labels, as a browser shows them: head and rows."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"aria-label='([^']*)'[^>]*><table[^>]*>(.*?)</table>", text, re.DOTALL)
    return {
        label: [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", table)]
        for label, table in found
    }


def test_the_page_asks_for_nothing_from_outside_and_has_every_chart(tmp_path: Path) -> None:
    page = Page(write_online_page(both(), tmp_path / "new" / "online.html"))
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base"}
        assert not {"src", "href", "srcset", "action"} & set(attributes), (tag, attributes)
    assert [tag for tag, attributes in page.tags if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert page.ids() >= CHARTS
    assert "There is nothing to show." not in page.text
    assert "nan" not in page.text


def test_tables_say_what_the_data_says(tmp_path: Path) -> None:
    found = tables(write_online_page(both(), tmp_path / "online.html"))
    assert found["How good the signals were"][1][:6] == ["one", "0.1000", "0.4629", "0.0500", "0.4629", "2"]
    assert found["How good the signals were"][3][5:] == ["–", "4", "4"]
    assert [row[0] for row in found["Month by month"]] == ["month", "2015-02", "2015-01"]
    assert found["Month by month"][1] == ["2015-02", *["0.2000", "0.1000"] * 3, "1"]
    assert found["Month by month"][2] == ["2015-01", *["0.0667", "0.0333"] * 3, "3"]
    first = ["one", "1", "2015-01-02", "2026-01-02 09:00:00", "2015-01-02 on", "base", "simulation"]
    assert found["Ledger"][1] == first
    assert len(found["Ledger"]) == 5
    assert found["Coverage"][1] == ["one", "4", "4", "none"]
    assert ["data, SHA-256", "cd" * 32] in found["Facts"]


def test_each_bar_reaches_from_one_set_to_the_next() -> None:
    figure = online_charts.served(both())
    bars = figure.data[0]
    assert list(bars.base) == ["2015-01-02", "2015-01-30"]
    ends = [pd.Timestamp(a) + pd.Timedelta(milliseconds=b) for a, b in zip(bars.base, bars.x, strict=True)]
    assert [f"{end:%Y-%m-%d}" for end in ends] == ["2015-01-30", "2015-02-27"]
    assert bars.customdata[1][:6] == ["one", 2, "2015-01-30", "2015-02-27", "2015-01-30 on", "run2"]
    assert len(set(bars.marker.opacity)) == 2  # neighbours can be told apart
    assert [one.y[0] for one in figure.data] == ["one", "two"]


def online(version: int, session: str, *models: OnlineModel) -> OnlineSet:
    return made_set(f"r{version}", models, version=version, at=ZERO, session=session)


def test_months_and_days_are_drawn_as_they_are() -> None:
    data = simulation((track("one"),), track("ensemble", 0, daily=daily(ic=(0.3,))))
    bars = online_charts.by_month(data, "rank_ic", "Rank IC").data
    assert [(one.name, list(one.x)) for one in bars] == [
        ("one", ["2015-01-01", "2015-02-01"]),
        ("ensemble", ["2015-01-01"]),
    ]
    assert list(bars[0].y) == pytest.approx([0.1 / 3, 0.1])
    assert list(online_charts.by_month(data, "ic", "IC").data[0].y) == pytest.approx([0.2 / 3, 0.2])
    lines = online_charts.cumulative(data).data
    assert list(lines[0].y) == pytest.approx([0.05, -0.05, 0.1, 0.2])
    assert list(lines[0].x) == ["2015-01-28", "2015-01-29", "2015-01-30", "2015-02-02"]


def test_stays_follow_the_ledger() -> None:
    sessions = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2015-01-01", periods=10)]
    a, b, c = (OnlineModel(f"t{n}", f"run{n}", (sessions[3 * n], None)) for n in range(3))
    history = [online(1, sessions[2], a, b), online(2, sessions[6], c), online(3, sessions[8], a, b)]
    found = [(stay.version, stay.recorder_id, stay.start, stay.until) for stay in stays(history, sessions)]
    assert found == [
        (1, "run0", sessions[0], sessions[3]),  # before the first set as well
        (1, "run1", sessions[3], sessions[6]),
        (2, "run2", sessions[6], sessions[8]),
        (3, "run1", sessions[8], "2015-01-15"),  # until the day after the last session
    ]
    assert stays([], sessions) == stays([], []) == []


def test_one_set_and_many_sets(tmp_path: Path) -> None:
    for sets in (1, 400):
        data = simulation((track("one", sets),))
        assert len(online_charts.served(data).data[0].base) == sets
        found = tables(write_online_page(data, tmp_path / f"{sets}.html"))
        assert len(found["Ledger"]) == sets + 1
        assert [row[0] for row in found["How good the signals were"]] == ["strategy", "one"]


@pytest.mark.parametrize(
    "tracks",
    [(), (track("one", 0, daily=NO_DAYS, coverage=Coverage(0, 0, ())),)],
    ids=["no strategy", "a strategy without a set"],
)
def test_nothing_was_online(tracks: tuple[Track, ...], tmp_path: Path) -> None:
    path = write_online_page(simulation(tracks, phases=[], data=(), code=(), trained=0), tmp_path / "online.html")
    page = Page(path)
    assert not page.ids() & CHARTS
    assert page.text.count("There is nothing to show.") == 7  # the charts, the months and the ledger
    assert not re.search(r"\bnan\b|None", page.text)


def test_metrics_that_are_not_known_are_dashes(tmp_path: Path) -> None:
    nan = float("nan")
    data = simulation((track("one", daily=daily(ic=(nan, nan))), track("two", daily=daily(ic=(0.5, nan)))))
    found = tables(write_online_page(data, tmp_path / "online.html"))
    assert found["How good the signals were"][1] == ["one", *"––––", "2", "4", "0"]
    assert found["How good the signals were"][2] == ["two", "0.5000", "–", "0.2500", "–", "2", "4", "1"]
    assert found["Month by month"][1] == ["2015-01", "–", "–", "0.5000", "0.2500", "1"]
    assert dict(tiles(data))["Rank IC, one"] == "–"
    assert [bars.name for bars in online_charts.by_month(data, "ic", "IC").data] == ["two"]
    json.dumps(json.loads(online_charts.cumulative(data).to_json()), allow_nan=False)


def test_holes_are_shown_and_marked(tmp_path: Path) -> None:
    holes = tuple(f"2015-01-{day:02d} A{day}" for day in range(1, 31))
    data = simulation((track("one", coverage=Coverage(30, 29, holes)), track("two")))
    path = write_online_page(data, tmp_path / "online.html")
    shown = tables(path)["Coverage"][1]
    assert shown[:3] == ["one", "30", "29"]
    assert shown[3].startswith("2015-01-01 A1, ")
    assert shown[3].endswith("2015-01-20 A20 and 10 more")
    assert dict(tiles(data))["holes"] == "30"
    marked = [attributes.get("class") for tag, attributes in Page(path).tags if tag == "tr"]
    assert marked.count("bad") == 1
    assert "Not every session" in Page(path).text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    plain = Page(write_online_page(both(), tmp_path / "plain.html"))
    row = LedgerRow(1, HOSTILE, ZERO, (HOSTILE, HOSTILE), HOSTILE, HOSTILE)
    served = stay(1, "2015-01-02", "2015-01-30", recorder_id=HOSTILE, variant=HOSTILE, window=(HOSTILE, HOSTILE))
    bad = track(HOSTILE, stays=(served, served), ledger=(row, row), name=HOSTILE, sha256=(HOSTILE,))
    data = simulation(
        (bad, bad),
        track(HOSTILE, 0),
        title=HOSTILE,
        name=HOSTILE,
        begin=HOSTILE,
        end=HOSTILE,
        phases=[(HOSTILE, 1.0), (HOSTILE, 2.0)],
        data=(HOSTILE,),
        code=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
        notes=(HOSTILE,),
    )
    page = Page(write_online_page(data, tmp_path / "hostile.html"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert HOSTILE in page.text
    for figure in (online_charts.served(data), online_charts.cumulative(data), online_charts.by_month(data, "ic", "")):
        assert "<script" not in json.dumps(json.loads(figure.to_json())["data"])
        assert "<img" not in json.dumps(json.loads(figure.to_json())["data"])


def test_names_beside_charts_are_short_and_each_another_one() -> None:
    names = online_charts.short_names(["a" * 99, "a" * 98, "b & c", "d"])
    assert len(set(names)) == 4
    assert names[2:] == ["b &amp; c", "d"]
    assert all(len(name) < 30 for name in names)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1) | st.just(float("nan")), max_size=80), st.integers(0, 300))
def test_months_hold_every_known_day_once(values: list[float], shift: int) -> None:
    days = pd.bdate_range("2015-01-01", periods=len(values), name="datetime") + pd.Timedelta(days=shift)
    frame = pd.DataFrame({"ic": values, "rank_ic": values}, index=days, dtype=float)
    found = monthly(frame)
    assert int(found["days"].sum()) == int(np.isfinite(np.array(values, dtype=float)).sum())
    assert list(found.index) == sorted(set(found.index))
    for month, row in found.iterrows():
        chosen = frame[frame.index.strftime("%Y-%m") == month]["ic"].dropna()
        assert row["ic"] == pytest.approx(chosen.mean())
