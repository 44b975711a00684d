"""Ensembles, groups and collectors against the reference's cases."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rollq import (
    AverageEnsemble,
    Collector,
    EnsembleError,
    Group,
    MergeCollector,
    RollingEnsemble,
    RollingGroup,
    SingleKeyEnsemble,
)
from tests.golden_cases import cases, frame


def value(rows: Any, columns: list[str]) -> Any:
    if isinstance(rows, dict):
        return {key: value(item, columns) for key, item in rows.items()}
    return frame(rows, columns)


def key(raw: Any) -> Any:
    return tuple(raw) if isinstance(raw, list) else raw


def make(case: dict[str, Any]) -> Any:
    if case["id"] == "g_custom":

        def by_first(values: Any) -> dict[Any, Any]:
            grouped: dict[Any, Any] = {}
            for name, item in values.items():
                grouped.setdefault(name[0], {})[name[1:]] = item
            return grouped

        return Group(by_first, AverageEnsemble())
    if case["id"] == "g_no_ens":
        return Group(lambda values: {"all": values})
    if case["id"] == "rg_avg":
        return RollingGroup(AverageEnsemble())
    kinds = (RollingEnsemble, AverageEnsemble, SingleKeyEnsemble, RollingGroup)
    return next(kind() for kind in kinds if kind.__name__ == case["class"])


def check(found: Any, output: dict[str, Any]) -> None:
    if output["type"] == "dict":
        assert list(found) == [key(name) for name, _ in output["items"]]
        for name, item in output["items"]:
            check(found[key(name)], item)
        return
    assert type(found).__name__ == output["type"]
    as_frame = found.to_frame("__series__") if isinstance(found, pd.Series) else found
    assert list(as_frame.index.names) == output["index_names"]
    pd.testing.assert_frame_equal(
        as_frame,
        frame(output["rows"], output["columns"]),
        check_dtype=False,
        check_index_type=False,
        check_freq=False,
        atol=1e-12,
    )


@pytest.mark.parametrize("case", cases("ensemble_group"))
def test_reference(case: dict[str, Any]) -> None:
    given = {key(name): value(rows, case["columns"]) for name, rows in case["input"]}
    if case["reference_defect"]:
        with pytest.raises(EnsembleError) as raised:
            make(case)(given)
        assert raised.value.fix
        return
    check(make(case)(given), case["output"])


class Fixed(Collector):
    def __init__(self, values: dict[Any, Any], process_list: Any = ()) -> None:
        super().__init__(process_list)
        self.values = values

    def collect(self) -> dict[Any, Any]:
        return self.values


@pytest.mark.parametrize("case", cases("collector"))
def test_collectors(case: dict[str, Any]) -> None:
    if "process_list" in case:
        made: Any = Fixed(case["input"], [lambda v: v + 1, lambda v: v * 10])
    else:
        merge = (lambda c, k: f"{c}_{k}") if case["merge_func"] else None
        made = MergeCollector({name: Fixed(values) for name, values in case["input"].items()}, merge_func=merge)
    assert made() == {key(name): item for name, item in case["output"]}
