"""Components: what is registered is used as it is meant; what cannot be loaded says why, and where to repair it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollq.tasks.components.app_dir import add_app_dir
from rollq.tasks.components.registry import resolve
from rollq.tasks.errors import ComponentError
from rollq.workers.jobs.training import _history
from rollq.workers.models.lightgbm import LGBModel

OWN = ("ownmodels:LGBModel", "ownmodels:Fast")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a user, with a module."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "ownmodels.py").write_text("class LGBModel: ...\nclass Fast: ...\n")
    yield tmp_path
    for name in ("ownmodels", "brokenmodels", "json_"):
        sys.modules.pop(name, None)


def test_a_class_named_like_a_built_in_one_is_used_where_it_is_meant(folder: Path) -> None:
    add_app_dir(folder)
    own = resolve({"class": "LGBModel", "module_path": "ownmodels"}, "model", OWN)
    assert own.__module__ == "ownmodels"
    assert resolve({"class": "LGBModel", "module_path": "rollq.workers.models.lightgbm"}, "model", OWN) is LGBModel
    with pytest.raises(ComponentError, match=r"2 registered classes 'LGBModel'.*module_path: ownmodels or"):
        resolve({"class": "LGBModel"}, "model", OWN)
    assert resolve({"class": "Fast"}, "model", OWN).__module__ == "ownmodels"
    assert resolve({"class": "LGBModel"}, "model") is LGBModel


def test_a_module_that_is_not_found_says_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(ComponentError, match="--app-dir"):
        resolve({"class": "Fast"}, "model", ("nowhere_at_all:Fast",))


def test_an_own_folder_hides_no_library(folder: Path) -> None:
    (folder / "json.py").write_text("raise RuntimeError('it hides json')")
    add_app_dir(folder)
    assert sys.path[-1] == str(folder.resolve())


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import sys\nsys.exit('no licence')", "SystemExit: no licence.*line 2"),
        ("def broken(:", "SyntaxError.*brokenmodels.py, line 1"),
        ("x = 1\n\nFast = undefined", "NameError.*line 3"),
        ("import a_library_that_is_missing", "a_library_that_is_missing.*line 1"),
        ("Slow = 1", "no attribute 'Fast'"),
    ],
)
def test_a_module_that_is_broken_shows_its_line(folder: Path, source: str, why: str) -> None:
    (folder / "brokenmodels.py").write_text(source)
    add_app_dir(folder)
    with pytest.raises(ComponentError, match=why):
        resolve({"class": "Fast"}, "model", ("brokenmodels:Fast",))


class _Raises:
    @property
    def evals(self) -> Any:
        raise OSError("not loaded")


@pytest.mark.parametrize(
    ("evals", "logged"),
    [
        ({"valid": [0.2, 0.1]}, {"valid": [0.2, 0.1]}),
        ({"valid": {"l2": [0.2]}}, {}),
        ([1, 2], {}),
        ("l2", {}),
        (lambda: None, {}),
        (None, {}),
        ({"valid": None}, {}),
    ],
)
def test_evals_of_another_form_do_no_harm(evals: Any, logged: Any) -> None:
    assert _history(SimpleNamespace(evals=evals)) == logged
    assert _history(SimpleNamespace()) == {}
    assert _history(_Raises()) == {}
