"""Collectors against the reference's cases."""

from __future__ import annotations

from typing import Any

import pytest

from rollq import Collector, EnsembleError, MergeCollector
from tests.golden_cases import cases, key

FUNCTIONS = {"v+1": lambda v: v + 1, "v*10": lambda v: v * 10}


class Fixed(Collector):
    def __init__(self, values: dict[Any, Any], process_list: Any = ()) -> None:
        super().__init__(process_list)
        self.values = values

    def collect(self) -> dict[Any, Any]:
        return self.values


def made(case: dict[str, Any]) -> Collector:
    if "process_list" in case:
        return Fixed(case["input"], [FUNCTIONS[name] for name in case["process_list"]])
    merge = {None: None, "f'{c}_{k}'": lambda c, k: f"{c}_{k}"}[case["merge_func"]]
    return MergeCollector({name: Fixed(values) for name, values in case["input"].items()}, merge_func=merge)


@pytest.mark.parametrize("case", cases("collector"))
def test_reference(case: dict[str, Any]) -> None:
    assert not case["reference_defect"]
    assert list(made(case)().items()) == [(key(name), item) for name, item in case["output"]]


@pytest.mark.parametrize("processes", [abs, [abs], (abs,)])
def test_one_process_may_be_bare(processes: Any) -> None:
    assert Fixed({"a": -1}, processes)() == {"a": 1}
    assert Collector.process_collect({"a": -1}, processes) == {"a": 1}


def test_processes_get_the_arguments_of_the_call() -> None:
    assert Fixed({"a": 7}, [pow])(2, mod=10) == {"a": 9}


def test_merged_collectors_process_first() -> None:
    inner = Fixed({"a": 1}, [lambda v: v + 1])
    assert MergeCollector({"x": inner}, [lambda v: v * 10])() == {("x", "a"): 20}


def test_a_process_that_cannot_be_called_is_named() -> None:
    with pytest.raises(EnsembleError, match="'nothing'") as raised:
        Fixed({"a": 1}, ["nothing"])()
    assert raised.value.fix


def test_collect_must_be_written() -> None:
    with pytest.raises(TypeError, match="collect"):
        Collector()  # type: ignore[abstract]
