"""Qlib's datasets as rollq's: sessions, content, segments, and the frame that all workers share."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rollq.tasks.components.registry import build
from rollq.tasks.config.settings import current_settings
from rollq.tasks.errors import ArtifactCorrupted, ComponentError, DataError, PermanentError, SegmentError
from rollq.workers.qlib.data import frames, processed
from rollq.workers.qlib.data.states import restore, states_of
from rollq.workers.qlib.datasets import QlibDataset
from tests import qlib_data

DAYS = qlib_data.days()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qlib_data.write_folder(tmp_path_factory.mktemp("qlib") / "cn", instruments=4)


def config(folder: Path, name: str = "linear", handler: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(qlib_data.workflow(folder, name))["task"]["dataset"]
    found = deepcopy(found)
    found["kwargs"]["handler"]["kwargs"] |= handler or {}
    kwargs = {"qlib_init": {"provider_uri": str(folder), "region": "cn"}, "cache_dir": str(folder.parent / "cache")}
    found["kwargs"] |= {**kwargs, **changes}
    return found


def dataset(folder: Path, name: str = "linear", **changes: Any) -> QlibDataset:
    made: QlibDataset = build(config(folder, name, **changes), "dataset")
    return made


def test_what_the_queue_asks_of_a_dataset(folder: Path) -> None:
    made = dataset(folder)
    made.check()
    assert [f"{day:%Y-%m-%d}" for day in made.sessions] == DAYS
    assert made.label_lookahead == 2
    assert made.feature_lookback == 60
    hashes = made.session_hashes()
    assert hashes is not None
    assert list(hashes) == DAYS
    assert set(made.fingerprint()) == {"sha256"}


def test_rows_are_those_of_the_segment(folder: Path) -> None:
    made = dataset(folder)
    features, label, raw = (made.prepare("valid", columns) for columns in ("feature", "label", "raw"))
    assert features.shape == (60 * 4, 158)
    assert features.index.equals(raw.index)
    assert features.index.equals(label.index)
    assert np.isfinite(features.to_numpy()).all()  # filled, as for inference
    assert not np.allclose(raw["label"], label["label"])
    with pytest.raises(SegmentError, match="no segment"):
        made.prepare("none")
    with pytest.raises(DataError, match="no columns"):
        made.prepare("valid", "nothing")


def test_the_frame_is_loaded_once_and_shared(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[object] = []
    load = frames._loaded
    monkeypatch.setattr(frames, "_loaded", lambda *asked: loads.append(asked[1:]) or load(*asked))
    first = dataset(folder, cache_dir=str(tmp_path)).prepare("test")
    # Another window, another process: fit dates, segments and end are others, the frame is the same.
    later = {"fit_end_time": DAYS[240], "end_time": DAYS[300]}
    second = dataset(folder, cache_dir=str(tmp_path), handler=later)
    assert second.prepare("test").shape == first.shape
    assert len(loads) == 1
    dataset(folder, cache_dir=str(tmp_path), handler={"start_time": DAYS[5]}).prepare("test")
    assert len(loads) == 2


def test_a_shared_frame_is_what_the_loader_gives(folder: Path, tmp_path: Path) -> None:
    made = dataset(folder, "lightgbm", cache_dir=str(tmp_path))
    handler = made._source.handler(DAYS[330], None)
    own = frames._loaded(handler.data_loader, handler.instruments, "2008-01-01", DAYS[330])
    shared = handler._data
    pd.testing.assert_frame_equal(shared, own, check_freq=False, check_index_type=False, check_column_type=False)
    assert (shared.dtypes == own.dtypes).all()
    assert shared.columns.equals(own.columns)


def test_processors_that_learn_nothing_run_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = dataset(folder, "lightgbm", cache_dir=str(tmp_path / "plain"))
    monkeypatch.setattr(processed, "BY_DAY", frozenset())
    expected = {one: plain.prepare("train", one) for one in ("feature", "label", "raw")}
    monkeypatch.undo()
    asked = {"cache_dir": str(tmp_path / "shared")}
    first = dataset(folder, "lightgbm", **asked)
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(first.prepare("train", name), frame, check_index_type=False)
    # Another window: nothing is loaded or processed again, and its frames end where its handler does.
    monkeypatch.setattr(frames, "_loaded", None)
    monkeypatch.setattr("qlib.data.dataset.processor.CSZScoreNorm.__call__", None)
    short = dataset(
        folder, "lightgbm", handler={"end_time": DAYS[250]}, segments={"test": [DAYS[230], DAYS[250]]}, **asked
    )
    handler = short.native.handler
    for one in (handler._data, handler._infer, handler._learn):
        assert f"{one.index.get_level_values('datetime').max():%Y-%m-%d}" == DAYS[250]
    pd.testing.assert_frame_equal(
        short.prepare("test"),
        dataset(folder, "lightgbm", **asked).config({"test": [DAYS[230], DAYS[250]]}).prepare("test"),
    )


def test_what_a_worker_changes_stays_its_own(folder: Path, tmp_path: Path) -> None:
    loader = frames.SharedLoader(dataset(folder)._source.loaded.handler.data_loader, "state", tmp_path)
    frame = loader.load("csi300", "2008-01-01")
    frame.to_numpy()
    frame.iloc[:, 0] = 0.0
    again = loader.load("csi300", "2008-01-01")
    assert again.iloc[:, 0].abs().sum() > 0


def test_a_frame_that_is_damaged_is_made_anew(folder: Path, tmp_path: Path) -> None:
    whole = dataset(folder, cache_dir=str(tmp_path)).prepare("test")
    (kept,) = tmp_path.glob("qlib-*/meta.json")
    kept.write_text("{")
    pd.testing.assert_frame_equal(dataset(folder, cache_dir=str(tmp_path)).prepare("test"), whole)


def test_later_days_are_processed_as_the_model_was_trained(folder: Path, tmp_path: Path) -> None:
    trained = dataset(
        folder, cache_dir=str(tmp_path), segments={"train": [DAYS[0], DAYS[219]], "test": [DAYS[230], DAYS[299]]}
    )
    kept = json.loads(json.dumps(trained.to_config()))
    again: QlibDataset = build({**config(folder), "kwargs": {**kept, "cache_dir": str(tmp_path)}}, "dataset")
    later = again.config({"test": [DAYS[290], DAYS[310]]})
    expected = trained.prepare("test").loc[DAYS[290] :]
    pd.testing.assert_frame_equal(later.prepare("test").loc[: DAYS[299]], expected)
    # Had they learned from what is there now, they would give other values.
    scaled = again.config({"train": [DAYS[100], DAYS[150]], "test": [DAYS[290], DAYS[310]]})
    assert scaled._fitted is None


def test_a_process_reads_several_folders_in_turn(folder: Path, tmp_path: Path) -> None:
    other = qlib_data.write_folder(tmp_path / "other", instruments=4, seed=1)
    expected = [dataset(one, cache_dir=str(tmp_path / "alone")).prepare("test", "raw") for one in (folder, other)]
    first, second = (dataset(one, cache_dir=str(tmp_path / "both")) for one in (folder, other))
    first.check()
    second.check()  # from here on Qlib reads the other folder
    for made, wanted in zip((first, second), expected, strict=True):
        pd.testing.assert_frame_equal(made.prepare("test", "raw"), wanted)
    assert not np.allclose(expected[0], expected[1], equal_nan=True)


def test_new_sessions_are_read(tmp_path: Path) -> None:
    place = qlib_data.write_folder(tmp_path / "cn", sessions=300, instruments=3)
    segments = {"train": [DAYS[0], DAYS[219]], "test": [DAYS[230], DAYS[299]]}
    made = dataset(place, segments=segments, cache_dir=str(tmp_path / "cache"))
    made.prepare("test")
    qlib_data.write_folder(place, sessions=305, instruments=3)
    again = dataset(place, segments=segments, cache_dir=str(tmp_path / "cache"), fitted=made.to_config()["fitted"])
    assert f"{again.sessions[-1]:%Y-%m-%d}" == DAYS[304]
    assert len(again.config({"test": [DAYS[300], None]}).prepare("test")) == 5 * 3


def test_where_the_data_are_may_be_a_setting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = config(folder)
    del written["kwargs"]["qlib_init"]
    with pytest.raises(ComponentError, match="where the data are"):
        build(written, "dataset")
    monkeypatch.setenv("ROLLQ_QLIB_PROVIDER_URI", str(folder))
    current_settings.cache_clear()
    try:
        made: QlibDataset = build(written, "dataset")
        made.check()
        assert "qlib_init" not in made.to_config()
        assert made.session_hashes() == dataset(folder).session_hashes()
    finally:
        current_settings.cache_clear()


@pytest.mark.parametrize(
    ("part", "why"), [("", "there is no folder"), ("calendars", "has no calendars"), ("features", "has no features")]
)
def test_a_folder_that_is_none_is_refused(tmp_path: Path, part: str, why: str) -> None:
    place = qlib_data.write_folder(tmp_path / "cn", sessions=30, instruments=1)
    (place / part).rename(tmp_path / "away")
    with pytest.raises(DataError, match=why):
        dataset(place).check()


def test_data_that_are_not_there_are_named(folder: Path) -> None:
    with pytest.raises(SegmentError, match="outside the data"):
        dataset(folder, segments={"train": ["1999-01-01", "1999-12-31"], "test": [DAYS[0], None]}).check()
    with pytest.raises(DataError, match="no value"):
        dataset(folder, handler={"instruments": ["SH999999"]}).check()


@pytest.mark.parametrize(
    "changes",
    [
        {"qlib_init": {"provider_uri": "/x", "region": "moon"}},
        {"qlib_init": {"provider_uri": "/x", "kernel": 1}},
        {"handler": "file:///x"},
        {"segments": []},
        {"nothing": 1},
    ],
)
def test_wrong_keywords_are_refused_before_anything_is_read(folder: Path, changes: dict[str, Any]) -> None:
    written = config(folder)
    written["kwargs"] |= changes
    with pytest.raises(ComponentError):
        build(written, "dataset")


def test_what_qlib_refuses_is_an_error_of_the_template(folder: Path) -> None:
    with pytest.raises(ComponentError, match="nothing"):
        dataset(folder, handler={"nothing": 1}).check()
    with pytest.raises(ComponentError, match="daily data"):
        dataset(folder, handler={"freq": "1min"}).check()


def test_states_are_of_the_same_processors(folder: Path) -> None:
    processors = dataset(folder)._source.loaded.handler.get_all_processors()
    states = states_of(processors)
    with pytest.raises(ArtifactCorrupted, match="other processors"):
        restore(processors[:1], states)
    processors[0].odd = {"a": {1, 2}}
    with pytest.raises(PermanentError, match=r"odd is a dict"):
        states_of(processors)
