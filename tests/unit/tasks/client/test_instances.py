"""Objects from configurations, of registered classes only; and configurations as flat mappings."""

from __future__ import annotations

import pytest

from rollq import BadInput, ComponentError, LGBModel, RidgeModel, flatten_dict, init_instance_by_config

MODULE = "rollq.workers.models.lightgbm"


def test_each_form_of_a_configuration() -> None:
    config = {"class": "LGBModel", "module_path": MODULE, "kwargs": {"num_boost_round": 3}}
    assert isinstance(init_instance_by_config(config, try_kwargs={"nonsense": 1}), LGBModel)
    assert isinstance(init_instance_by_config(f"{MODULE}.LGBModel", num_boost_round=3), LGBModel)
    assert isinstance(init_instance_by_config("LGBModel"), LGBModel)
    assert isinstance(init_instance_by_config({"class": "LGBModel"}, MODULE), LGBModel)
    made = RidgeModel(alpha=2.0)
    assert init_instance_by_config(made, accept_types=(LGBModel, RidgeModel)) is made


@pytest.mark.parametrize(
    ("config", "kind", "why"),
    [
        ("subprocess.Popen", ComponentError, "not registered"),
        ({"class": "Popen", "module_path": "subprocess"}, ComponentError, "not registered"),
        ({"class": "LGBModel", "kwargs": {"nonsense": 1}}, ComponentError, "nonsense"),
        (3, BadInput, "describes no object"),
        ({}, ComponentError, "missing"),
    ],
)
def test_what_is_refused(config: object, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why):
        init_instance_by_config(config)


def test_nested_mappings_become_dotted_names() -> None:
    nested = {"a": {"b": {"c": 1}, "d": [{"e": 2}]}, "f": {}, 3: None}
    assert flatten_dict(nested) == {"a.b.c": 1, "a.d": [{"e": 2}], "3": None}
    assert flatten_dict({"a": {"b": 1}}, "top", "/") == {"top/a/b": 1}
