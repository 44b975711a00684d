"""A folder of MLflow, read file by file; whatever is odd about it is named, and the rest is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollq.migration.content import read_content
from rollq.migration.file_store import FileStore
from rollq.migration.opening import open_source, shown
from rollq.migration.source import UNREADABLE
from rollq.tasks.errors import BadInput, NotFound

META = "artifact_uri: {uri}\nlifecycle_stage: {stage}\nrun_id: {id}\nrun_name: one\nstart_time: 5\nstatus: {status}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One experiment."""
    experiment = tmp_path / "mlruns" / "7"
    experiment.mkdir(parents=True)
    (experiment / "meta.yaml").write_text("experiment_id: '7'\nlifecycle_stage: active\nname: daily\n")
    return experiment.parent


def add_run(folder: Path, ident: str, status: object = 3, stage: str = "active", uri: str = "") -> Path:
    run = folder / "7" / ident
    for name, text in {"metrics/loss": "9 0.5 1\n", "params/a/b": "1", "tags/note": "x\ny"}.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)
    (run / "artifacts").mkdir()
    (run / "meta.yaml").write_text(META.format(id=ident, status=status, stage=stage, uri=uri))
    return run


def test_what_mlflow_wrote_is_read(folder: Path) -> None:
    """Names with slashes are paths there; what was deleted is left out."""
    add_run(folder, "a")
    add_run(folder, "b", stage="deleted")
    (folder / ".trash").mkdir()
    store = open_source(f"file://{folder}")
    assert isinstance(store, FileStore)
    assert store.experiments() == {"daily": "7"}
    (run,) = store.runs("7")
    assert (run.id, run.name, run.status, run.start, run.end) == ("a", "one", "FINISHED", 5, None)
    assert (run.params, run.tags) == ({"a/b": "1"}, {"note": "x\ny"})
    assert [(one.name, one.value, one.time, one.step) for one in run.points] == [("loss", 0.5, 9, 1)]
    assert open_source(str(folder.parent)).experiments() == {"daily": "7"}


BROKEN = {
    "status: 3": "status: 9",
    "run_id": "- run_id",
    "lifecycle_stage: active": "lifecycle_stage: [",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_record_is_one_run_left_out(folder: Path, text: str) -> None:
    """The others are read."""
    add_run(folder, "a")
    meta = add_run(folder, "b") / "meta.yaml"
    meta.write_text(meta.read_text().replace(text, BROKEN[text]))
    store = FileStore(folder)
    found = {run.id: run for run in store.runs("7")}
    assert (found["a"].status, found["b"].status) == ("FINISHED", UNREADABLE)
    with pytest.raises(BadInput, match=r"meta\.yaml|no status"):
        read_content(store, "7", found["b"])


def test_a_broken_experiment_is_named(folder: Path) -> None:
    """The others are read."""
    other = folder / "8"
    other.mkdir()
    (other / "meta.yaml").write_text("name: [")
    store = FileStore(folder)
    assert store.experiments() == {"daily": "7"}
    assert "8/meta.yaml cannot be read" in store.broken["8"]


def test_a_broken_metric_is_named(folder: Path) -> None:
    """With its line."""
    (add_run(folder, "a") / "metrics/loss").write_text("9\n")
    (run,) = FileStore(folder).runs("7")
    assert "'loss'" in run.trouble


def test_links_are_not_followed(folder: Path) -> None:
    """They could stand for any file of this machine."""
    run = add_run(folder, "a", uri="file:///etc")
    (run / "artifacts/pred.pkl").symlink_to("/etc/passwd")
    store = FileStore(folder)
    (found,) = store.runs("7")
    with pytest.raises(BadInput, match=r"pred\.pkl' is a link"):
        store.artifacts("7", found)
    (run / "artifacts/pred.pkl").unlink()
    (run / "artifacts").rmdir()
    with pytest.raises(NotFound, match="is gone"):
        store.artifacts("7", found)


def test_a_file_that_is_called_a_pickle_must_be_one(folder: Path) -> None:
    """Other files are kept as they are; those of rollq's own names are refused."""
    run = add_run(folder, "a")
    (run / "artifacts/code_diff.txt").write_text("a diff")
    store = FileStore(folder)
    (found,) = store.runs("7")
    assert set(read_content(store, "7", found).files) == {"code_diff.txt"}
    (run / "artifacts/manifest.json").write_text("{}")
    with pytest.raises(BadInput, match=r"manifest\.json: rollq's own"):
        read_content(store, "7", found)
    (run / "artifacts/manifest.json").rename(run / "artifacts/pred.pkl")
    with pytest.raises(Exception, match=r"pred\.pkl: The pickle cannot be read"):
        read_content(store, "7", found)


def test_no_password_is_shown() -> None:
    """Of an address; a folder is shown as it is."""
    assert shown("http://me:secret@host:5000/a") == "http://host:5000/a"
    assert shown("/a/b@c") == "/a/b@c"
