"""Who serves on which session: one model of each variant, by the ledger as it was on that session."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from rollq.scheduler.online.online_set import OnlineModel, OnlineSet
from rollq.scheduler.online.serving import served, set_on

DAYS = [f"2021-01-{day:02}" for day in range(1, 29)]


def online(version: int, session: str, starts: list[str], champion: str = "base", **others: list[str]) -> OnlineSet:
    models = {
        name: tuple(model(name, start) for start in found) for name, found in {champion: starts, **others}.items()
    }
    return OnlineSet(
        strategy="s",
        version=version,
        pool="p",
        round_id=f"r{version}",
        at=datetime(2021, 1, 1, tzinfo=UTC),
        by="me",
        models=models.pop(champion),
        metrics={},
        session=session,
        champion=champion,
        challengers=models,
    )


def model(variant: str, start: str) -> OnlineModel:
    return OnlineModel(f"t-{variant}-{start}", f"{variant}-{start}", (start, None))


def shown(
    history: list[OnlineSet], days: list[str], challengers: bool = False
) -> dict[tuple[str, str], tuple[int, str]]:
    found = {}
    for part in served(history, days, challengers):
        for day in part.days:
            assert (day, part.variant) not in found  # never two models of a variant on a session
            found[day, part.variant] = (part.version, part.model.recorder_id)
    return found


def test_the_newest_window_that_has_begun_serves_and_the_first_set_serves_what_came_before_it() -> None:
    history = [online(1, DAYS[6], [DAYS[2], DAYS[5]]), online(2, DAYS[10], [DAYS[10]]), online(3, DAYS[12], [DAYS[5]])]
    assert shown(history, DAYS[:14]) == {
        **{(day, "base"): (1, f"base-{DAYS[2]}") for day in DAYS[2:5]},
        **{(day, "base"): (1, f"base-{DAYS[5]}") for day in DAYS[5:10]},
        **{(day, "base"): (2, f"base-{DAYS[10]}") for day in DAYS[10:12]},
        **{(day, "base"): (3, f"base-{DAYS[5]}") for day in DAYS[12:14]},  # a rollback
    }
    assert served([], DAYS) == []
    assert set_on([], DAYS[0]) is None


def test_of_models_that_serve_together_the_newest_of_each_serves() -> None:
    names = {name: [replace(model(name, DAYS[start]), member=name) for start in (0, 4)] for name in ("a", "b")}
    both = replace(online(1, DAYS[0], []), models=(*names["a"], names["b"][0]))
    later = replace(both, version=2, session=DAYS[6], models=(*names["a"], *names["b"]))
    found = {(part.name, part.model.test[0]): (part.version, len(part.days)) for part in served([both], DAYS[:8])}
    assert found == {("a", DAYS[0]): (1, 4), ("a", DAYS[4]): (1, 4), ("b", DAYS[0]): (1, 8)}
    assert {one.recorder_id for one in later.serving(DAYS[7])} == {f"a-{DAYS[4]}", f"b-{DAYS[4]}"}
    assert [part.days for part in served([both, later], DAYS[5:8]) if part.name == "b"] == [(DAYS[5],), (*DAYS[6:8],)]


def test_challengers_are_shown_when_asked_for_and_a_promotion_swaps_the_roles() -> None:
    history = [
        online(1, DAYS[0], [DAYS[0]], ridge=[DAYS[0]]),
        online(2, DAYS[3], [DAYS[0]], champion="ridge", base=[DAYS[0]]),
    ]
    both = shown(history, DAYS[:5], challengers=True)
    assert {variant for _, variant in both} == {"base", "ridge"}
    alone = shown(history, DAYS[:5])
    assert [variant for _, variant in alone] == ["base"] * 3 + ["ridge"] * 2
    assert both.items() >= alone.items()


sets = st.lists(
    st.tuples(st.integers(0, 27), st.lists(st.integers(0, 27), min_size=1, max_size=4, unique=True)), max_size=6
)


@given(sets, st.lists(st.sampled_from(DAYS), unique=True).map(sorted))
def test_a_session_is_served_alike_whichever_others_are_asked_for(
    found: list[tuple[int, list[int]]], days: list[str]
) -> None:
    history = [
        online(number + 1, DAYS[session], [DAYS[start] for start in starts])
        for number, (session, starts) in enumerate(sorted(found))
    ]
    at_once = shown(history, days)
    alone = {key: value for day in days for key, value in shown(history, [day]).items()}
    assert at_once == alone
    for (day, _), (version, recorder) in at_once.items():
        current = set_on(history, day)
        assert current
        assert version == current.version
        assert recorder == f"base-{max(one.test[0] for one in current.models if one.test[0] <= day)}"
