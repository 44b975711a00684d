"""A relative URI of MLflow's store is the same store for workers in other folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollq import Settings
from rollq.tasks.config.tracking_uri import usable_uri
from rollq.tasks.tracking_home import settled


def test_the_first_who_typed_it_says_what_it_means(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(folder: str) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        return settled(settings.model_copy(update={"mlflow_uri": usable_uri("sqlite:///mlflow.db")})).mlflow_uri

    first = of("project")
    assert first.endswith("project/mlflow.db")
    assert of("elsewhere") == first
    assert settled(settings) == settings  # an absolute one is what it is
    (tmp_path / "project").rename(tmp_path / "moved")
    assert of("moved").endswith("moved/mlflow.db")
