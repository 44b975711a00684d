"""What a template may say of several models, and what is refused, with its key and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollq.tasks.config.settings import Settings
from rollq.tasks.errors import BadInput
from rollq.tasks.rolling.members.horizons import horizons_of
from rollq.tasks.rolling.members.per import Per
from rollq.tasks.rolling.members.role import Role, role_of
from rollq.tasks.rolling.template import Template, load_template
from tests.conftest import EXAMPLES
from tests.zoned import COMPONENT

TEXT = (EXAMPLES / "small.yaml").read_text()
ZONED = TEXT.replace("class: PanelDataset", "class: ZonedDataset") + "\nper: zone\n"
CHALLENGER = "\nonline: {challengers: [{name: line, model: {class: RidgeModel}}]}\n"


def load(folder: Path, text: str) -> Template:
    path = folder / "mine.yaml"
    path.write_text(text)
    return load_template(path, Settings(components=(COMPONENT,)))


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT + "\nper: zone\n", "per: a PanelDataset cannot be reduced"),
        (ZONED.replace("per: zone", "per: 7"), "per: 7 is no column"),
        (ZONED.replace("per: zone", "per: ''"), "per: '' is no column"),
        (ZONED.replace("per: zone", "per: {columns: zone}"), "per.columns: unknown key.*"),
        (ZONED.replace("per: zone", "per: {column: zone, sessions: 0}"), "per.sessions: 0 is no number"),
        (ZONED + CHALLENGER, "online.challengers: a template with one model per zone has no challengers"),
        (changed("horizon: 5", "horizon: [1, 5]") + CHALLENGER, "a template with several horizons has no challengers"),
        (changed("horizon: 5", "horizon: [1, 1]"), "label.horizon: it is empty, or has one twice"),
        (changed("horizon: 5", "horizon: []"), "label.horizon: it is empty"),
        (changed("horizon: 5", "horizon: [1, 0]"), "label.horizon: 0 is no horizon"),
        (changed("horizon: 5", "horizon: [1, two]"), "label.horizon: 'two' is no horizon"),
        (changed("horizon: 5", "horizon: [1, -5h]"), "label.horizon: '-5h' is no horizon"),
        (changed("horizon: 5", "horizons: 5"), "label.horizons: 5 is no list"),
        (changed("horizon: 5", "horizon: 5, horizons: [1, 5]"), "label.horizons: there is a horizon beside it"),
    ],
)
def test_what_cannot_be_is_named_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        load(tmp_path, text)


def test_horizons_may_be_spans() -> None:
    label = {"op": "forward_return", "horizon": ["24h", "2w"]}
    assert horizons_of({"dataset": {"kwargs": {"label": label}}}) == ("24h", "2w")


@pytest.mark.parametrize("word", ["horizon", "horizons"])
def test_a_template_with_horizons_and_zones_comes_back_from_the_store(tmp_path: Path, word: str) -> None:
    made = load(tmp_path, ZONED.replace("horizon: 5", f"{word}: [5, 1]"))
    assert (made.horizons, made.per) == ((5, 1), Per("zone"))
    assert made.definition["dataset"]["kwargs"]["label"] == {"op": "forward_return", "horizon": 5, "start": 1}
    assert Template.of_config(made.to_config()) == made


def test_a_template_without_them_says_nothing_of_them(tmp_path: Path) -> None:
    assert {"per", "horizons", "members"}.isdisjoint(load(tmp_path, TEXT).to_config())


def test_a_role_has_a_name_and_comes_back_from_a_task() -> None:
    role = Role("zone=DE", "5", 1)
    assert role.name == "zone=DE horizon=5"
    assert role_of({"role": role.to_dict()}) == role
    assert role_of({}).name == ""
    for wrong in ("DE", 7, {"zone": "DE"}):
        with pytest.raises(BadInput, match="is no role"):
            role_of({"role": wrong})
