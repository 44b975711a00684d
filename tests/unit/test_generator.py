"""RollingGen and its kin against the reference's cases."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from rollq import MultiHorizonGenBase, RollingGen, RollqError, SegmentError, TemplateError, task_generator
from tests.golden_cases import adjuster, cases, plain

COPIES = {"shallow_copy": copy.copy, "identity": lambda task: task, "deepcopy": copy.deepcopy}
# Cases that the reference cannot do by accident and rollq can: how many windows they have.
MENDED = {
    "biz30:sd4_mid_trunc3": 3,
    "biz30:sd4_mid_trunc0": 3,
    "biz30:sd4_mid_trunc8": 3,
    "biz30:train_from_idx0_trunc3": 3,
    "biz30:train_start_none_trunc": 3,
    "gappy_mwf_2019:gap_ex10_trunc2": 6,
    "biz30:f_all_off_by_one": 4,
    "biz30:f_lists": 2,
}
# Cases that the reference answers with a leak (an end before the calendar becomes its last session) or for ever.
REFUSED = {"biz30:train_before_cal", "biz30:f_step0"}


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
    if case["segments_are_tuples"]:
        kwargs["segments"] = {name: tuple(bounds) for name, bounds in kwargs["segments"].items()}
    return made


def shown(task: dict[str, Any]) -> dict[str, Any]:
    kwargs = task["dataset"]["kwargs"]
    handler = kwargs.get("handler")
    options = handler.get("kwargs", {}) if isinstance(handler, dict) else {}
    return plain({"segments": kwargs["segments"], "handler_end_time": options.get("end_time")})


def expected(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"segments": row["segments"], "handler_end_time": row.get("handler_end_time")} for row in output]


@pytest.mark.parametrize("case", cases("rolling_generate"))
def test_generate(case: dict[str, Any]) -> None:
    generator, given = make(case), template(case)
    before = copy.deepcopy(given)
    if case["id"] in REFUSED or (case["reference_defect"] and case["id"] not in MENDED):
        with pytest.raises(RollqError, match="dataset"):
            generator.generate(given)
        return
    made = generator.generate(given)
    if case["reference_defect"]:
        assert len(made) == MENDED[case["id"]]
        return
    assert [shown(task) for task in made] == expected(case["output"])
    assert (given != before) == case["template_mutated"]


@pytest.mark.parametrize("case", cases("rolling_following"))
def test_following(case: dict[str, Any]) -> None:
    if case["id"] in REFUSED:
        with pytest.raises(TemplateError, match="step"):
            make(case)
        return
    made = make(case).gen_following_tasks(template(case), case["test_end"])
    if case["reference_defect"]:
        assert len(made) == MENDED[case["id"]]
        return
    assert [shown(task) for task in made] == expected(case["output"])


class Horizons(MultiHorizonGenBase):
    def set_horizon(self, task: dict[str, Any], hr: int) -> None:
        task["hr"] = hr


@pytest.mark.parametrize("case", cases("task_generator"))
def test_task_generator(case: dict[str, Any]) -> None:
    calendar = adjuster(case["calendar"])
    generators: list[Any] = []
    for described in case["generators"]:
        args = {name: value for name, value in described.items() if name != "gen"}
        kind = RollingGen if described["gen"] == "RollingGen" else Horizons
        generators.append(kind(**args, calendar=calendar))
    templates = [template({**case, "template": one, "segments_are_tuples": True}) for one in case["templates"]]
    made = task_generator(templates, generators)
    found = [{**shown(task), "model": task["model"]["class"], "hr": task.get("hr")} for task in made]
    wanted = [{k: row[k] for k in ("segments", "handler_end_time", "model", "hr")} for row in case["output"]]
    assert found == wanted


def test_fit_dates_roll_with_the_train_segment() -> None:
    case = next(case.values[0] for case in cases("rolling_generate") if case.id == "biz60:sd8")
    for task in make(case).generate(template(case)):
        kwargs = task["dataset"]["kwargs"]
        options = kwargs["handler"]["kwargs"]
        assert (options["fit_start_time"], options["fit_end_time"]) == kwargs["segments"]["train"]


def test_purge_keeps_train_labels_out_of_valid() -> None:
    case = next(case.values[0] for case in cases("rolling_generate") if case.id == "biz60:sd8")
    calendar = adjuster("biz60")
    for task in RollingGen(8, "sliding", purge=2, calendar=calendar).generate(template(case)):
        segments = task["dataset"]["kwargs"]["segments"]
        assert calendar.cal_interval(segments["valid"][0], segments["train"][1]) == 3


@pytest.mark.parametrize(
    ("args", "key"),
    [({"step": 0}, "step"), ({"step": 2.5}, "step"), ({"rtype": "round"}, "rtype"), ({"trunc_days": -1}, "trunc_days")],
)
def test_bad_arguments_are_named(args: dict[str, Any], key: str) -> None:
    with pytest.raises(TemplateError, match=key) as raised:
        RollingGen(**args, calendar=adjuster("biz30"))
    assert raised.value.fix


@pytest.mark.parametrize(
    "task", [{}, {"dataset": {"kwargs": {"segments": []}}}, {"dataset": {"kwargs": {"segments": {}}}}]
)
def test_missing_segments_are_named(task: dict[str, Any]) -> None:
    with pytest.raises(SegmentError, match="segments"):
        RollingGen(3, calendar=adjuster("biz30")).generate(task)
