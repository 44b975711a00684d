"""The source of a component: its own modules that it imports, and the libraries; read without running anything."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollq.tasks.components.source import Source, changed_since_loaded, note_loaded, source_of, versions_of
from rollq.workers.datasets.panel import PanelDataset
from rollq.workers.datasets.table.dataset import TableDataset
from rollq.workers.models.lightgbm import LGBModel
from rollq.workers.models.ridge import RidgeModel

FILES = {
    "forest/__init__.py": "",
    "forest/model.py": "import numpy\nfrom forest.trees import grow\nfrom . import soil\n\n\nclass Forest:\n    pass\n",
    "forest/trees.py": "def grow():\n    from .deep.roots import root\n    return root\n",
    "forest/soil.py": "import json\nimport sklearn.linear_model\n",
    "forest/deep/roots.py": "from forest import model\nroot = 1\n",
    "forest/unused.py": "raise SystemExit\n",
    "tools.py": "import yaml\n",
    "single.py": "import tools\nfrom forest.soil import *\n\n\nclass Single:\n    pass\n",
}
Project = Callable[..., Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a user's modules on the import path."""
    for name, text in FILES.items():
        write(tmp_path / name, text)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def source(target: str) -> Source:
    module, _, name = target.partition(":")
    return source_of(getattr(importlib.import_module(module), name))


def test_the_modules_that_it_imports_belong_to_it(project: Path) -> None:
    found = source("forest.model:Forest")
    assert set(found.modules) == {"forest.model", "forest.trees", "forest.soil", "forest.deep.roots"}
    assert found.own
    assert found.libraries == {"numpy", "sklearn"}
    assert set(versions_of(found.libraries)) == {"numpy", "scikit-learn"}


def test_a_package_whose_names_an_import_makes_usable_belongs_to_it(project: Path) -> None:
    write(project / "grove/__init__.py", "SIZE = 1\n")
    write(project / "grove/trees.py", "")
    write(project / "plain.py", "import grove.trees\n\n\nclass Plain:\n    size = grove.SIZE\n")
    write(project / "named.py", "import grove.trees as trees\n\n\nclass Named:\n    module = trees\n")
    assert set(source("plain:Plain").modules) == {"plain", "grove", "grove.trees"}
    assert set(source("named:Named").modules) == {"named", "grove.trees"}


def test_a_module_beside_it_belongs_to_it_in_a_project(project: Path) -> None:
    assert set(source("single:Single").modules) == {"single", "tools", "forest.soil"}


def test_of_an_installed_package_only_its_own_modules_do(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages"
    write(installed / "planted.py", "import beside\n\n\nclass Planted:\n    pass\n")
    write(installed / "beside.py", "")
    monkeypatch.syspath_prepend(str(installed))
    assert set(source("planted:Planted").modules) == {"planted"}


@pytest.mark.parametrize("name", ["forest/model.py", "forest/deep/roots.py", "forest/soil.py"])
def test_each_of_them_counts(project: Path, name: str) -> None:
    before = source("forest.model:Forest").sha256
    write(project / name, FILES[name] + "# another line\n")
    assert source("forest.model:Forest").sha256 != before


@pytest.mark.parametrize("name", ["forest/unused.py", "tools.py", "forest/__init__.py"])
def test_nothing_else_does(project: Path, name: str) -> None:
    before = source("forest.model:Forest").sha256
    write(project / name, "x = 1\n")
    assert source("forest.model:Forest").sha256 == before


def test_the_folder_and_the_ends_of_lines_do_not_count(project: Path, tmp_path: Path) -> None:
    before = source("forest.model:Forest").sha256
    write(project / "forest/model.py", FILES["forest/model.py"].replace("\n", "\r\n"))
    os.utime(project / "forest/model.py", (1, 1))
    assert source("forest.model:Forest").sha256 == before


def test_what_was_imported_is_told_from_what_lies_there_now(project: Path) -> None:
    found = source("forest.model:Forest")
    note_loaded(sys.modules["forest.model"].Forest)
    assert found.loaded_sha256 == found.sha256
    write(project / "forest/trees.py", FILES["forest/trees.py"] + "x = 1\n")
    assert source("forest.model:Forest").loaded_sha256 == found.loaded_sha256 != source("forest.model:Forest").sha256
    assert "forest.trees" in changed_since_loaded()
    importlib.reload(sys.modules["forest.trees"])
    again = source("forest.model:Forest")
    assert again.loaded_sha256 == again.sha256
    assert "forest.trees" not in changed_since_loaded()


def test_half_a_file_and_no_file_are_no_error(project: Path) -> None:
    found = source("forest.model:Forest")
    write(project / "forest/trees.py", "def (")
    assert source("forest.model:Forest").sha256 != found.sha256
    (project / "forest/model.py").unlink()
    assert len(source("forest.model:Forest").sha256) == 64


def test_rollq_s_own_depend_on_what_computes(project: Path) -> None:
    model, dataset = source_of(LGBModel), source_of(PanelDataset)
    assert {"rollq.workers.models.lightgbm", "rollq.workers.models.training_rows"} <= set(model.modules)
    interfaces = {"rollq.tasks.components.model", "rollq.tasks.components.dataset"}
    assert {name.rpartition(".")[0] for name in model.modules.keys() - interfaces} == {
        "rollq.workers.models",
        "rollq.workers.models.learning",
    }
    computing = {"rollq.workers.datasets.features", "rollq.workers.expressions.kernels.price_features"}
    assert computing <= dataset.modules.keys()
    beside = {"rollq.workers.datasets.processors", "rollq.workers.datasets.plan.plan", "rollq.workers.tables.table"}
    assert beside <= source_of(TableDataset).modules.keys()  # what lies beside its own package computes, too
    assert not any(one.own for one in (model, dataset))
    assert "lightgbm" in model.libraries
    assert "sklearn" in source_of(RidgeModel).libraries


def test_what_is_inherited_from_rollq_belongs_to_an_own_class(project: Path) -> None:
    write(project / "heir.py", "from rollq import LGBModel\n\n\nclass Heir(LGBModel):\n    pass\n")
    found = source("heir:Heir")
    assert {"heir", "rollq.workers.models.lightgbm"} <= set(found.modules)
    assert "lightgbm" in found.libraries
    assert found.own
