"""Qlib's workflow files as templates: what becomes of each part, without Qlib."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import TemplateError
from rollq.tasks.rolling.template import KEYS, load_template
from rollq.tasks.rolling.workflow_file import is_workflow, refuse_placeholders, template_of_workflow, with_rolling
from tests import qlib_data

FILE = Path("folder", "workflow_config.yaml")


def content(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(qlib_data.workflow(Path("/data/cn"), "lightgbm"))
    return {**found, "rolling": {"kwargs": {"step": 60}}, **changes}


def template(**changes: Any) -> dict[str, Any]:
    return template_of_workflow(content(**changes), FILE, KEYS)


def test_the_task_becomes_the_template() -> None:
    found = template()
    assert set(found) == {"model", "dataset", "record", "rolling"}
    assert found["model"] == qlib_data.LIGHTGBM
    kwargs = found["dataset"]["kwargs"]
    # Where runs, caches and processes are is rollq's.
    assert kwargs.pop("qlib_init") == {"provider_uri": "/data/cn", "region": "cn"}
    assert kwargs == content()["task"]["dataset"]["kwargs"]


def test_a_record_is_given_model_and_dataset_by_the_worker_and_keeps_the_placeholders_within() -> None:
    signal, _, port = template()["record"]
    assert signal == {"class": "SignalRecord", "module_path": "qlib.workflow.record_temp", "kwargs": {}}
    assert port["kwargs"]["config"]["strategy"]["kwargs"]["signal"] == ["<MODEL>", "<DATASET>"]


def test_one_record_may_stand_alone_and_without_its_module() -> None:
    task = {**content()["task"], "record": {"class": "SignalRecord"}}
    (record,) = template(task=task)["record"]
    assert record["module_path"] == "qlib.workflow.record_temp"


@pytest.mark.parametrize(
    ("label", "days"),
    [
        (None, 3),
        ("Ref($close, -2)/Ref($close, -1) - 1", 3),
        ("Ref(Mean($close, 5), -11) / $close - 1", 12),
        ("Ref( $vwap,-6 )/Ref($vwap, -1)", 7),
    ],
)
def test_labels_stay_out_of_the_test_segment(label: str | None, days: int) -> None:
    task = deepcopy(content()["task"])
    if label:
        task["dataset"]["kwargs"]["handler"]["kwargs"]["label"] = [label]
    assert template(task=task)["rolling"]["kwargs"] == {"step": 60, "trunc_days": days}


def test_what_the_file_says_of_rolling_counts() -> None:
    rolling = {"kwargs": {"step": 20, "trunc_days": 9, "rtype": "expanding"}}
    assert template(rolling=rolling)["rolling"] == rolling


def test_the_command_line_counts_before_the_file() -> None:
    assert with_rolling({"a": 1}, None, None) == {"a": 1}
    assert with_rolling({"rolling": {"kwargs": {"step": 5, "purge": 1}}}, 7, "sliding") == {
        "rolling": {"kwargs": {"step": 7, "purge": 1, "rtype": "sliding"}}
    }


def test_keys_of_templates_and_the_name_of_the_experiment_are_taken() -> None:
    found = template(experiment_name="mine", queue="big", online={"step": 1})
    assert (found["name"], found["queue"], found["online"]) == ("mine", "big", {"step": 1})
    assert template(experiment_name="mine", name="other")["name"] == "other"


def test_a_file_is_laid_over_its_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(content()))
    over = {"BASE_CONFIG_PATH": "base.yaml", "task": {"model": {"kwargs": {"num_leaves": 5}}}}
    found = template_of_workflow(over, tmp_path / "over.yaml", KEYS)
    assert found["model"] == {**qlib_data.LIGHTGBM, "kwargs": {**qlib_data.LIGHTGBM["kwargs"], "num_leaves": 5}}
    with pytest.raises(TemplateError, match="there is no file"):
        template_of_workflow({"BASE_CONFIG_PATH": "none.yaml"}, tmp_path / "over.yaml", KEYS)


def test_home_and_frequency_of_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    for written in ("~/cn", {"day": "~/cn"}):
        found = template(qlib_init={"provider_uri": written})
        assert found["dataset"]["kwargs"]["qlib_init"]["provider_uri"] == "/home/me/cn"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"rolling": None}, "rolling"),
        ({"rolling": {"kwargs": {"rtype": "sliding"}}}, "rolling"),
        ({"task": None}, "task"),
        ({"task": {"model": {}, "dataset": {}, "reweighter": 1}}, "task.reweighter"),
        ({"task": {"model": {}}}, "task.dataset"),
        ({"qlib_init": {}}, "qlib_init"),
        ({"qlib_init": {"provider_uri": {"day": "a", "1min": "b"}}}, "qlib_init.provider_uri"),
        ({"qlib_init": {"provider_uri": "nfs:/server/path"}}, "qlib_init.provider_uri"),
        ({"sys": "here"}, "sys"),
    ],
)
def test_what_is_missing_or_cannot_be_meant_is_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(TemplateError) as error:
        template(**changes)
    assert error.value.message.startswith(f"{key}: ")
    assert error.value.fix


def test_a_file_that_is_to_be_rendered_says_so(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text("qlib_init:\n  provider_uri: {{ DATA }}\n")
    with pytest.raises(TemplateError, match="line 2"):
        load_template(path, Settings())
    path.write_text("x-note: '{{ }}'\n")  # a template of rollq's may hold such a text
    refuse_placeholders(path)


def test_what_a_workflow_file_is() -> None:
    assert is_workflow(content())
    assert not is_workflow({"model": {}, "dataset": {}, "record": []})
