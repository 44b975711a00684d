"""A project of a user: a template whose model is a class in a file of its own, which tests change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollq.enqueueing import plan_template
from rollq.scheduler.strategies.plan import Plan
from rollq.tasks.components import source
from rollq.tasks.config.settings import Settings
from tests.synthetic import closes, write

COMPONENT = "signed_model:SignedModel"
CODE = '''
from helper_of_model import SIGN

import rollq


class SignedModel(rollq.Model):
    """Scores are the first feature, or its opposite."""

    def fit(self, dataset, checkpoint=None):
        FIT

    def predict(self, dataset, segment="test"):
        return dataset.prepare(segment, "feature").iloc[:, 0] * SIGN

    def save(self, folder):
        (folder / "sign.txt").write_text(str(SIGN))

    @classmethod
    def load(cls, folder):
        return cls()
'''
TEMPLATE = """
name: signed
model: {class: SignedModel}
dataset:
  class: PanelDataset
  kwargs:
    path: prices.parquet
    features: [{op: momentum, windows: [1, 5]}]
    label: {op: forward_return, horizon: 2, start: 1}
    segments: {train: [2020-02-03, 2020-06-30], test: [2020-07-01, 2020-08-31]}
record: [{class: SignalRecord}]
rolling: {kwargs: {step: 30, rtype: sliding, trunc_days: 4}}
"""


class Project:
    """Its folder is on the import path."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings.model_copy(update={"components": (COMPONENT,)})
        write(closes(sessions=250), folder)
        (folder / "signed.yaml").write_text(TEMPLATE)
        self.code(1.0)

    def code(self, sign: float, fit: str = "pass") -> None:
        """Write the model, and the module that it imports."""
        (self.folder / "helper_of_model.py").write_text(f"SIGN = {sign}\n")
        (self.folder / "signed_model.py").write_text(CODE.replace("FIT", fit))

    def plan(self) -> Plan:
        """The windows of its template."""
        return plan_template(self.folder / "signed.yaml", self.settings)

    def forget(self) -> None:
        """As a process that has imported nothing of it yet."""
        for name in ("signed_model", "helper_of_model"):
            sys.modules.pop(name, None)
            source._loaded.pop(name, None)


@pytest.fixture
def project(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project whose model has the sign 1."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Project(tmp_path, settings)
    made.forget()
    yield made
    made.forget()
