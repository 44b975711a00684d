"""The commit of a project: found by its folder, and what in it is not committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rollq.tasks.components.source import Source
from rollq.tasks.ingredients.project import project_of, project_tags


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a clean folder and one in which a file is not committed."""
    for name in ("clean", "dirty"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text("x = 1\n")
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)
    (tmp_path / "dirty" / "new.py").write_text("")
    return tmp_path


def test_the_folder_decides(project: Path) -> None:
    clean, dirty = project_of(project / "clean"), project_of(project / "dirty")
    assert len(clean["commit"]) == 40
    assert clean == {**dirty, "dirty": False}
    assert dirty["dirty"]


def test_without_a_repository_there_is_none(tmp_path: Path) -> None:
    assert project_of(tmp_path) == {}
    assert project_of(tmp_path / "nowhere") == {}


def test_the_class_comes_before_the_template(project: Path, tmp_path: Path) -> None:
    own = Source("model:Model", True, {"model": project / "dirty" / "model.py"}, frozenset())
    commit = project_of(project / "clean")["commit"]
    planned = {"commit": "of the template", "dirty": False}
    assert project_tags([own], planned) == {"rollq.project.commit": commit, "rollq.project.dirty": "true"}
    ours = Source("model:Model", False, own.modules, frozenset())
    assert project_tags([ours], planned)["rollq.project.commit"] == "of the template"
    assert project_tags([ours], None) == project_tags([], {"commit": ""}) == {}
