"""Artifacts: every kind comes back; changed bytes, lost files and hostile names are refused; no code is run."""

from __future__ import annotations

import contextlib
import errno
import json
import pickle
import random
from pathlib import Path
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from rollq.tasks.errors import ArtifactCorrupted, ArtifactMissing, BadInput, ComponentError, Unavailable
from rollq.tasks.tracking.artifacts.artifacts import Artifacts
from rollq.tasks.tracking.artifacts.manifest import MANIFEST, Manifest, safe_name
from rollq.tasks.tracking.artifacts.storage import LocalStorage, RemoteStorage
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment
from rollq.tasks.tracking.mlflow.recorder import MLflowRecorder


class Mean:
    """A model of a user: it saves and loads itself."""

    def __init__(self, value: float) -> None:
        self.value = value

    def save(self, folder: Path) -> None:
        (folder / "mean.json").write_text(json.dumps(self.value))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(json.loads((folder / "mean.json").read_text()))


class Box:
    """Has no safe form."""

    def __init__(self, value: int) -> None:
        self.value = value


HERE = __name__
INDEX = pd.MultiIndex.from_product(
    [pd.to_datetime(["2020-01-01", "2020-01-02"]), ["A", "B"]], names=["datetime", "instrument"]
)
SERIES = pd.Series(np.arange(4.0), index=INDEX, name="score")
FRAME = pd.DataFrame({"x": [1.5, None], "y": ["a", "b"]})


def booster() -> lgb.Booster:
    rows = np.random.default_rng(0).normal(size=(200, 3))
    data = lgb.Dataset(rows, rows[:, 0], params={"verbosity": -1})
    return lgb.train({"num_threads": 1, "verbosity": -1, "objective": "regression"}, data, 3)


def again(experiment: MLflowExperiment, recorder: MLflowRecorder) -> MLflowRecorder:
    return experiment.get_recorder(recorder.id)


def test_every_kind_comes_back(experiment: MLflowExperiment, tmp_path: Path) -> None:
    trained, array = booster(), np.arange(6, dtype="f4").reshape(2, 3)
    recorder = experiment.create_recorder("r", start=True)
    recorder.save_objects(pred=SERIES, frame=FRAME, task={"b": (1, 2), "a": None}, note="text", array=array)
    recorder.save_objects(raw=b"\x00\x01", tree=trained, number=3, artifact_path="deep/er")
    found = again(experiment, recorder)
    pd.testing.assert_series_equal(found.load_object("pred.parquet"), SERIES, check_index_type=False, check_freq=False)
    pd.testing.assert_frame_equal(found.load_object("frame.parquet"), FRAME)
    assert found.load_object("task.json") == {"a": None, "b": (1, 2)}
    assert found.load_object("note.txt") == "text"
    np.testing.assert_array_equal(found.load_object("array.npy"), array)
    assert found.load_object("deep/er/raw.bin") == b"\x00\x01"
    assert found.load_object("deep/er/number") == 3
    rows = np.random.default_rng(1).normal(size=(10, 3))
    loaded = found.load_object("deep/er/tree")
    np.testing.assert_array_equal(loaded.predict(rows, num_threads=1), trained.predict(rows, num_threads=1))
    assert set(found.checksums()) == set(found.list_artifacts())


def test_a_model_comes_back_if_its_class_is_registered(sqlite_uri: str) -> None:
    allowed = MLflowExperiment.open("models", sqlite_uri, components=(f"{HERE}:Mean",))
    recorder = allowed.create_recorder("r", start=True)
    recorder.save_objects(model=Mean(2.5))
    assert allowed.get_recorder(recorder.id).load_object("params.pkl").value == 2.5
    strict = MLflowExperiment.open("models", sqlite_uri)
    with pytest.raises(ComponentError, match="not registered"):
        strict.get_recorder(recorder.id).load_object("model")


def test_the_references_names_are_understood(local: MLflowExperiment) -> None:
    recorder = local.create_recorder("r", start=True)
    recorder.save_objects(pred=FRAME, label=FRAME, dataset={"class": "D"}, task={"t": 1})
    recorder.save_objects(**{"sig_analysis/ic.parquet": SERIES})
    found = again(local, recorder)
    for old in ("pred.pkl", "label.pkl", "dataset", "task", "sig_analysis/ic.pkl", "task.pkl", "sig_analysis/ic"):
        assert found.load_object(old) is not None
    with pytest.raises(ArtifactMissing):
        found.load_object("params.pkl")


@pytest.mark.parametrize("folder", ["", "sig_analysis/"])
@pytest.mark.parametrize("second", ["pred", "pred.pkl", "pred.parquet"])
@pytest.mark.parametrize("first", ["pred", "pred.pkl", "pred.parquet"])
def test_a_name_with_any_ending_is_one_artifact(tmp_path: Path, first: str, second: str, folder: str) -> None:
    artifacts = Artifacts(LocalStorage(tmp_path), own=True)
    artifacts.save({folder + first: {"a": 1}})  # of another kind: another file
    artifacts.save({folder + second: FRAME})
    for found in (artifacts, Artifacts(LocalStorage(tmp_path), own=False)):
        assert found.names() == [f"{folder}pred.parquet"]
        for asked in ("pred", "pred.pkl", "pred.parquet"):
            pd.testing.assert_frame_equal(found.load(folder + asked), FRAME)
    assert [path.name for path in tmp_path.rglob("pred*")] == ["pred.parquet"]
    artifacts.save({folder + first: SERIES})
    assert artifacts.names() == [f"{folder}pred.parquet"]
    pd.testing.assert_series_equal(artifacts.load(folder + second), SERIES, check_index_type=False, check_freq=False)


def test_two_endings_that_say_something_are_two_artifacts(tmp_path: Path) -> None:
    (tmp_path / "fit.pkl").write_bytes(b"of another program")
    artifacts = Artifacts(LocalStorage(tmp_path / "run"), own=True)
    artifacts.save({"fit.parquet": FRAME, "note.md": "text"})
    artifacts.save({"fit.json": {"a": 1}, "note": "other"})
    artifacts.save_files(tmp_path / "fit.pkl")  # a file that is copied is what its name says
    assert artifacts.names() == ["fit.json", "fit.parquet", "fit.pkl", "note.md", "note.txt"]
    assert artifacts.load("fit.pkl").read_bytes() == b"of another program"
    with pytest.raises(ArtifactMissing):
        artifacts.load("fit")
    artifacts.save({"fit": [1]})  # means both values, and no file
    assert artifacts.names() == ["fit.json", "fit.pkl", "note.md", "note.txt"]
    assert artifacts.load("fit") == [1]


def test_the_model_has_one_name(sqlite_uri: str) -> None:
    allowed = MLflowExperiment.open("names of models", sqlite_uri, components=(f"{HERE}:Mean",))
    recorder = allowed.create_recorder("r", start=True)
    recorder.save_objects(model=Mean(1.0))
    recorder.save_objects(**{"params.pkl": Mean(2.0)})
    for name in ("model", "params.pkl", "params"):
        assert allowed.get_recorder(recorder.id).load_object(name).value == 2.0


def test_no_pickle_unless_each_class_is_named(sqlite_uri: str) -> None:
    strict = MLflowExperiment.open("pickles", sqlite_uri).create_recorder("r", start=True)
    with pytest.raises(BadInput, match="no safe form"):
        strict.save_objects(box=Box(1))
    open_ = MLflowExperiment.open("pickles", sqlite_uri, pickle_classes=(f"{HERE}:Box",))
    recorder = open_.create_recorder("r", start=True)
    recorder.save_objects(box=Box(1))
    assert open_.get_recorder(recorder.id).load_object("box").value == 1
    with pytest.raises(BadInput, match="ROLLQ_PICKLE_CLASSES"):
        MLflowExperiment.open("pickles", sqlite_uri).get_recorder(recorder.id).load_object("box.pkl")
    with pytest.raises(BadInput, match="not allowed"):
        recorder.save_objects(other={Path})  # a set of a class: nothing of it is on the list
    other = MLflowExperiment.open("pickles", sqlite_uri, pickle_classes=("collections:OrderedDict",))
    with pytest.raises(BadInput, match=r"Box, which is not allowed"):
        other.get_recorder(recorder.id).load_object("box.pkl")


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    from rollq.tasks.tracking.artifacts.codecs import codec_named

    for allowed in ((f"{HERE}:Box",), ("builtins:dict",), ("builtins",), ("builtins:exe",)):
        with pytest.raises(BadInput, match="builtins:exec"):
            codec_named("pickle", allowed).decode(pickle.dumps(Evil()))
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Artifacts, Path]:
    artifacts = Artifacts(LocalStorage(tmp_path), own=True)
    artifacts.save({"pred": FRAME, "task": {"a": list(range(50))}, "note": "text" * 20, "array": np.arange(50)})
    artifacts.save({"tree": booster()}, "model")
    return artifacts, tmp_path


def test_a_hundred_of_a_hundred_flipped_bytes_are_refused(kept: tuple[Artifacts, Path]) -> None:
    _, folder = kept
    chance = random.Random(20_261_124)
    names = sorted(Manifest.parse((folder / MANIFEST).read_bytes()).entries)
    refused = 0
    for _ in range(100):
        name = chance.choice(names)
        content = (folder / name).read_bytes()
        flipped = bytearray(content)
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        (folder / name).write_bytes(flipped)
        with pytest.raises(ArtifactCorrupted, match="not what was written"):
            Artifacts(LocalStorage(folder), own=False).load(name)
        refused += 1
        (folder / name).write_bytes(content)
    assert refused == 100
    for name in names:
        Artifacts(LocalStorage(folder), own=False).load(name)


def test_a_lost_file_a_cut_one_and_a_broken_manifest_are_refused(kept: tuple[Artifacts, Path]) -> None:
    _, folder = kept
    fresh = Artifacts(LocalStorage(folder), own=False)
    (folder / "note.txt").write_bytes(b"")
    with pytest.raises(ArtifactCorrupted):
        fresh.load("note.txt")
    (folder / "task.json").unlink()
    (folder / "model" / "tree.txt").unlink()
    for name in ("task.json", "model", "never.json"):
        with pytest.raises(ArtifactMissing):
            fresh.load(name)
    for content in (
        b"",
        b"[]",
        b"{",
        b'{"entries": {"../x": {}}, "models": {}}',
        b'{"entries": {"a": 1}, "models": {}}',
    ):
        (folder / MANIFEST).write_bytes(content)
        with pytest.raises(ArtifactCorrupted, match="manifest"):
            Artifacts(LocalStorage(folder), own=False).load("pred")


HOSTILE = [
    "", ".", "/", "//", "..", "../x", "a/../x", "a/../../x", "/etc/passwd", "//etc/passwd", "~/x", "~root/x", "a\\b",
    "..\\x", "c:x", "c:/x", "file:///etc/passwd", "a\x00b", "\x00", "a\nb", "a\x7f", "a*", "a?", 'a"b', "a<b", "a|b",
    "a%2e%2e/b", "%2e%2e/x", "a#b", " a", "a ", "a/ b", "x" * 501, "x" * 201, "a/" + "x" * 250, "\ud800", MANIFEST,
]  # fmt: skip


def hostile_names() -> list[str]:
    """Two hundred names: those above, and each with something around it that must not make it harmless."""
    chance = random.Random(7)
    names = list(HOSTILE)
    while len(names) < 200:
        core = chance.choice(["../", "..\\", "\x00", "/../../", "c:", "a/../../", "%2e%2e/", "\x1f", "~/"])
        names.append(chance.choice(["", "a/", "deep/er/"]) + core + chance.choice(["x", "x.json", "etc/passwd"]))
    return names


def test_two_hundred_hostile_names_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    artifacts = Artifacts(LocalStorage(folder), own=True)
    artifacts.save({"good": 1})
    before = sorted(path for path in tmp_path.rglob("*"))
    names = hostile_names()
    assert len(names) == 200
    for name in names:
        with pytest.raises(BadInput):
            artifacts.save({name: {"a": 1}})
        if name != MANIFEST:
            with pytest.raises(BadInput):
                artifacts.load(name)
    assert sorted(path for path in tmp_path.rglob("*")) == before


@given(st.text(max_size=40))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_name_is_taken_stays_inside(tmp_path: Path, name: str) -> None:
    try:
        taken = safe_name(name)
    except BadInput:
        return
    target = (tmp_path / taken).resolve()
    assert tmp_path.resolve() in target.parents
    assert safe_name(taken) == taken


def test_values_without_a_safe_form(local: MLflowExperiment) -> None:
    recorder = local.create_recorder("r", start=True)
    for value in (object(), {1, 2}, float("nan"), [float("inf")], np.array([object()]), {"a": object()}, lambda: 1):
        with pytest.raises(BadInput):
            recorder.save_objects(value=value)
    assert "value.json" not in recorder.list_artifacts()


class Killed(BaseException):
    """This process ends here."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The ``step``-th rename of a file is not made any more."""
    real, left = Path.replace, iter(range(step))

    def replace(path: Path, target: Any) -> Path:
        if next(left, None) is None:
            raise Killed
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.parametrize("step", range(6))
def test_a_process_killed_while_it_replaces_files_leaves_each_of_them_readable(
    kept: tuple[Artifacts, Path], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = kept
    values = [("text" * 20, list(range(50))), ("new", [1]), ("newer", [2])]
    for number, (note, task) in enumerate(values[1:]):  # twice: the second one meets what the first one left
        with monkeypatch.context() as patch:
            kill_at(patch, step)
            with contextlib.suppress(Killed):
                Artifacts(LocalStorage(folder), own=False).save({"note": note, "task": {"a": task}, f"more{number}": 1})
        found = Artifacts(LocalStorage(folder), own=False)
        assert (found.load("note"), found.load("task")["a"]) != (None, None)
        assert found.load("note") in [one for one, _ in values[: number + 2]]
        assert found.load("task")["a"] in [one for _, one in values[: number + 2]]
        assert found.folder("note").read_text() == found.load("note")
        for name in found.manifest().entries:
            found.load(name)
    last = Artifacts(LocalStorage(folder), own=False)
    last.save({"note": "last", "task": {"a": []}})
    assert not Manifest.parse((folder / MANIFEST).read_bytes()).coming
    (folder / "note.txt").write_text("newer")
    with pytest.raises(ArtifactCorrupted):
        Artifacts(LocalStorage(folder), own=False).load("note")


def test_what_cannot_be_read_now_is_not_taken_for_missing(
    kept: tuple[Artifacts, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that is taken for missing would be written anew, without what was saved before."""
    _, folder = kept

    def away(path: Path) -> bytes:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    before = (folder / MANIFEST).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", away)
        with pytest.raises(Unavailable):
            Artifacts(LocalStorage(folder), own=False).save({"more": 1})
        with pytest.raises(Unavailable):
            Artifacts(LocalStorage(folder), own=False).load("note")
    assert (folder / MANIFEST).read_bytes() == before


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("API request to http://mlflow:5000/artifacts/1/ab404cd/manifest.json failed: refused", Unavailable),
        ("{'manifest.json': HTTPError('404 Client Error: NOT FOUND for url: http://mlflow/1/ab')}", ArtifactMissing),
    ],
)
def test_a_server_that_is_away_has_not_lost_anything(says: str, error: type[Exception]) -> None:
    class Client:
        def download_artifacts(self, *_: str) -> str:
            raise MlflowException(says)

    client: Any = Client()
    with pytest.raises(error):
        RemoteStorage(client, "ab404cd").read(MANIFEST)
