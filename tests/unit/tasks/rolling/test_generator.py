"""RollingGen and its kin against the reference's cases."""

from __future__ import annotations

import copy
import json
from typing import Any

import pandas as pd
import pytest

from rollq import (
    CalendarError,
    RollingGen,
    SegmentError,
    TaskGen,
    TemplateError,
    task_generator,
)
from rollq.tasks.components.registry import build
from tests.golden_cases import adjuster, cases, plain
from tests.small_tasks import BIZ30, SEGMENTS, Horizons, segment_of, shown, task_of

COPIES = {"shallow_copy": copy.copy, "identity": lambda task: task, "deepcopy": copy.deepcopy}
# What rollq does where the reference raises by accident: the test segments of the windows, or an error.
FROM_22_JAN = [["2020-01-22", "2020-01-27"], ["2020-01-28", "2020-01-31"], ["2020-02-03", "2020-02-06"]]
DEFECTS: dict[str, Any] = {
    # AssertionError for a segment that starts on the first session
    "biz30:sd4_mid_trunc3": FROM_22_JAN,
    "biz30:sd4_mid_trunc0": FROM_22_JAN,
    "biz30:sd4_mid_trunc8": FROM_22_JAN,
    "biz30:train_from_idx0_trunc3": FROM_22_JAN,
    "gappy_mwf_2019:gap_ex10_trunc2": [
        ["2019-06-17", "2019-07-08"],
        ["2019-08-21", "2019-09-11"],
        ["2019-09-13", "2019-10-04"],
        ["2019-10-07", "2019-10-28"],
        ["2019-10-30", "2019-11-20"],
        ["2019-11-22", "2019-12-13"],
    ],
    "biz30:train_start_none_trunc": FROM_22_JAN,  # TypeError
    "biz30:f_all_off_by_one": [  # TypeError where the windows end with the calendar
        ["2020-01-27", "2020-01-29"],
        ["2020-01-30", "2020-02-03"],
        ["2020-02-04", "2020-02-06"],
        ["2020-02-07", "2020-02-11"],
    ],
    "biz30:f_lists": [["2020-01-27", "2020-01-29"], ["2020-01-30", "2020-02-03"]],  # NotImplementedError
    "biz30:sd4_mid_trunc15": SegmentError,  # nothing is left: AssertionError
    "biz30:idx1_sd4_trunc15": SegmentError,
    "biz30:test_start_beyond": CalendarError,  # IndexError
    # Not marked as a defect, but the train end, which is before the calendar, becomes its last session, in the future
    "biz30:train_before_cal": CalendarError,
    # Not marked as a defect, but it never ends
    "biz30:f_step0": TemplateError,
}


def fit_end_to_train_end(task: dict[str, Any], generator: RollingGen) -> None:
    segments = task["dataset"]["kwargs"]["segments"]
    task["dataset"]["kwargs"]["handler"]["kwargs"]["fit_end_time"] = segments["train"][1]


def make(case: dict[str, Any]) -> RollingGen:
    args = dict(case["args"])
    if "task_copy_func" in args:
        args["task_copy_func"] = COPIES[args["task_copy_func"]]
    if args.get("ds_extra_mod_func"):
        args["ds_extra_mod_func"] = fit_end_to_train_end
    return RollingGen(**args, calendar=adjuster(case["calendar"]))


def template(case: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(case["template"])
    kwargs = made["dataset"]["kwargs"]
    if case["segments_are_tuples"] and isinstance(kwargs.get("segments"), dict):
        kwargs["segments"] = {name: tuple(bounds) for name, bounds in kwargs["segments"].items()}
    return made


def expected(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"segments": row["segments"], "handler_end_time": handler_end(row)} for row in output]


def handler_end(row: dict[str, Any]) -> Any:
    """As the reference has it, but open where the test segment ends open: there it keeps that of the window before."""
    ends_open = "test" in row["segments"] and row["segments"]["test"][1] is None
    return None if ends_open else row.get("handler_end_time")


def check(case: dict[str, Any], run: Any) -> None:
    """Run a case: it gives the reference's output, or what ``DEFECTS`` says."""
    assert case["reference_defect"] <= (case["id"] in DEFECTS)
    wanted = DEFECTS.get(case["id"])
    if isinstance(wanted, type):
        with pytest.raises(wanted, match=r"dataset\.kwargs\.segments\.|rolling\.kwargs\.step") as raised:
            run()
        assert raised.value.fix
    elif wanted is not None:
        assert segment_of(run()) == wanted
    else:
        assert [shown(task) for task in run()] == expected(case["output"])


@pytest.mark.parametrize("case", cases("rolling_generate"))
def test_generate(case: dict[str, Any]) -> None:
    given = template(case)
    before = copy.deepcopy(given)
    check(case, lambda: make(case).generate(given))
    assert (given != before) == case["template_mutated"]


@pytest.mark.parametrize("case", cases("rolling_following"))
def test_following(case: dict[str, Any]) -> None:
    given = template(case)
    check(case, lambda: make(case).gen_following_tasks(given, case["test_end"])[: case["limit"]])
    assert given == template(case)


@pytest.mark.parametrize("case", cases("task_generator"))
def test_task_generator(case: dict[str, Any]) -> None:
    generators: list[Any] = []
    for described in case["generators"]:
        args = {name: value for name, value in described.items() if name != "gen"}
        kind = RollingGen if described["gen"] == "RollingGen" else Horizons
        generators.append(kind(**args, calendar=adjuster(case["calendar"])))
    templates = [template({**case, "template": one, "segments_are_tuples": True}) for one in case["templates"]]
    made = task_generator(templates, generators)
    found = [{**shown(task), "model": task["model"]["class"], "hr": task.get("hr")} for task in made]
    rows = [{**row, "handler_end_time": handler_end(row)} for row in case["output"]]
    wanted = [{k: row[k] for k in ("segments", "handler_end_time", "model", "hr")} for row in rows]
    assert found == wanted


# -- forms ------------------------------------------------------------------------------------------------------------


def test_one_template_and_one_generator_may_be_bare() -> None:
    generator = RollingGen(4, RollingGen.ROLL_SD, calendar=BIZ30)
    assert segment_of(task_generator(task_of(), generator)) == segment_of(task_generator([task_of()], [generator]))
    assert segment_of(generator(task_of())) == FROM_22_JAN
    assert task_generator([], generator) == []


def test_rolling_is_built_from_a_template() -> None:
    config = {"class": "RollingGen", "kwargs": {"step": 4, "rtype": "sliding", "trunc_days": 3, "purge": 1}}
    generator = build(config, "rolling", calendar=BIZ30)
    assert isinstance(generator, TaskGen)
    assert segment_of(generator.generate(task_of())) == FROM_22_JAN


def test_segments_come_back_as_tuples_of_timestamps() -> None:
    for task in RollingGen(4, calendar=BIZ30).generate(task_of()):
        for bounds in task["dataset"]["kwargs"]["segments"].values():
            assert isinstance(bounds, tuple)
            assert all(isinstance(bound, pd.Timestamp) for bound in bounds)


def test_a_window_from_a_store_gives_the_same_followers() -> None:
    generator = RollingGen(4, "sliding", calendar=BIZ30)
    first, *rest = generator.generate(task_of())
    stored = json.loads(json.dumps(plain(first)))
    assert segment_of(generator.gen_following_tasks(stored, "2020-02-04")) == segment_of(rest)


def test_without_an_end_windows_follow_to_the_end_of_the_calendar() -> None:
    generator = RollingGen(4, "sliding", calendar=BIZ30)
    first = generator.generate(task_of())[0]
    last = segment_of(generator.gen_following_tasks(first, None))[-1]
    assert last == ["2020-02-07", None]
    assert generator.gen_following_tasks(first, "2019-01-01") == []


def test_tasks_share_nothing() -> None:
    given = task_of({"kwargs": {"end_time": "2020-01-10", "processors": [{"kwargs": {"fit_end_time": None}}]}})
    made = RollingGen(4, calendar=BIZ30).generate(given)
    made[0]["dataset"]["kwargs"]["segments"]["test"] = None
    made[0]["dataset"]["kwargs"]["handler"]["kwargs"]["processors"].clear()
    assert made[1]["dataset"]["kwargs"]["segments"]["test"]
    assert made[1]["dataset"]["kwargs"]["handler"]["kwargs"]["processors"]
    assert given["dataset"]["kwargs"]["segments"] == SEGMENTS


def test_a_changed_window_does_not_change_the_next() -> None:
    def widen(task: dict[str, Any], generator: RollingGen) -> None:
        task["dataset"]["kwargs"]["segments"]["test"] = (None, None)

    made = RollingGen(4, "sliding", ds_extra_mod_func=widen, calendar=BIZ30).gen_following_tasks(
        task_of(), "2020-02-04"
    )
    assert segment_of(made) == [[None, None]] * 2


def test_a_refused_template_stays_as_it_is() -> None:
    given = task_of(valid=["2020-01-15", "2020-01-22"])
    before = copy.deepcopy(given)
    with pytest.raises(SegmentError):
        RollingGen(4, task_copy_func=COPIES["identity"], calendar=BIZ30).generate(given)
    assert given == before


def test_the_handler_of_the_open_last_window_ends_open() -> None:
    made = RollingGen(8, calendar=BIZ30).generate(task_of({"kwargs": {"end_time": "2020-01-10"}}))
    ends = [task["dataset"]["kwargs"]["segments"]["test"][1] for task in made]
    assert [task["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"] for task in made] == ends
    assert ends[-1] is None


@pytest.mark.parametrize(
    ("end_time", "moved"),
    [
        ("2020-01-24", "2020-01-27"),
        ("2020-01-25", "2020-01-25"),  # a Saturday counts as the Monday after it, as in the reference
        ("2020-01-28", "2020-01-28"),
        (None, None),
    ],
)
def test_the_handler_loads_up_to_the_test_end(end_time: Any, moved: Any) -> None:
    made = RollingGen(4, calendar=BIZ30).generate(task_of({"kwargs": {"end_time": end_time}}))
    assert shown(made[0])["handler_end_time"] == moved


# -- fit dates and purge: beyond the reference ------------------------------------------------------------------------


@pytest.mark.parametrize("mod", [None, fit_end_to_train_end, "default"])
def test_fit_dates_roll_with_the_train_segment(mod: Any) -> None:
    handler = {
        "kwargs": {
            "end_time": None,
            "fit_start_time": None,
            "fit_end_time": "2020-01-14",
            "infer_processors": [{"class": "ZScore", "kwargs": {"fit_end_time": "2020-01-14", "clip": 3}}, "Fillna"],
        }
    }
    args = {} if mod == "default" else {"ds_extra_mod_func": mod}
    made = RollingGen(4, "sliding", calendar=BIZ30, **args).generate(task_of(handler))
    assert len(made) == 3
    for task in made:
        kwargs = task["dataset"]["kwargs"]
        train, options = kwargs["segments"]["train"], kwargs["handler"]["kwargs"]
        assert (options["fit_start_time"], options["fit_end_time"]) == train
        assert options["infer_processors"] == [
            {"class": "ZScore", "kwargs": {"fit_end_time": train[1], "clip": 3}},
            "Fillna",
        ]


def test_fit_dates_that_are_absent_stay_absent() -> None:
    made = RollingGen(4, calendar=BIZ30).generate(task_of({"kwargs": {"end_time": None}}))
    assert all(task["dataset"]["kwargs"]["handler"] == {"kwargs": {"end_time": None}} for task in made)


@pytest.mark.parametrize("rtype", ["sliding", "expanding"])
@pytest.mark.parametrize("train_start", ["2020-01-02", None])
def test_purge_leaves_sessions_out_before_every_next_segment(rtype: str, train_start: Any) -> None:
    made = RollingGen(4, rtype, purge=2, calendar=BIZ30).generate(task_of(train=[train_start, "2020-01-14"]))
    assert len(made) == 3
    for task in made:
        segments = task["dataset"]["kwargs"]["segments"]
        assert BIZ30.cal_interval(segments["valid"][0], segments["train"][1]) == 3
        assert BIZ30.cal_interval(segments["test"][0], segments["valid"][1]) == 3


def test_purge_keeps_a_gap_that_is_wide_enough() -> None:
    given = task_of(train=["2020-01-02", "2020-01-08"])
    assert RollingGen(4, purge=4, calendar=BIZ30).generate(given)[0]["dataset"]["kwargs"]["segments"]["train"] == (
        pd.Timestamp("2020-01-02"),
        pd.Timestamp("2020-01-08"),
    )


def test_purge_of_a_whole_segment_is_refused() -> None:
    with pytest.raises(SegmentError, match=r"segments\.valid.*5 sessions") as raised:
        RollingGen(4, purge=5, calendar=BIZ30).generate(task_of())
    assert raised.value.fix
