"""Whatever is saved comes back equal, in value and type, or is refused at the call; nothing else is touched by it."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollq.tasks.errors import ArtifactCorrupted, BadInput, NotLogged, RollqError, Unavailable
from rollq.tasks.tracking.artifacts.artifacts import Artifacts
from rollq.tasks.tracking.artifacts.codecs import codec_of
from rollq.tasks.tracking.artifacts.manifest import LONG
from rollq.tasks.tracking.artifacts.storage import LocalStorage
from rollq.tasks.tracking.mlflow.experiment import MLflowExperiment

DAYS = pd.date_range("2020-01-01", periods=3)
PAIRS = pd.MultiIndex.from_product([DAYS, ["A", "B"]], names=["datetime", "instrument"])


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def with_attrs(**attrs: Any) -> pd.DataFrame:
    made = frame(a=[1])
    made.attrs = attrs
    return made


def objects(*values: Any) -> pd.Series:
    return pd.Series(values, dtype=object)


# Frames and Series that come back.
TABLES: dict[str, Any] = {
    "an index with a frequency": frame(a=[1, 2, 3]).set_index(DAYS),
    "a zone and a frequency": frame(a=[1, 2, 3]).set_index(DAYS.tz_localize("Europe/Rome")),
    "two levels": pd.DataFrame({"a": range(6)}, PAIRS),
    "a level of objects": pd.DataFrame({"a": [1, 2]}, pd.MultiIndex.from_arrays([[1, 2], objects("x", "y")])),
    "an index of objects": pd.DataFrame({"a": [1, 2]}, pd.Index(["x", "y"], dtype=object)),
    "text as objects": frame(a=objects("x", None, "y")),
    "flags as objects": frame(a=objects(True, None, False)),
    "numbers as objects": frame(a=objects(1, 2)),
    "lists": frame(a=objects([1, 2], [3])),
    "dates": frame(a=objects(dt.date(2020, 1, 1), None)),
    "decimals": frame(a=objects(Decimal("1.10"), None)),
    "bytes": frame(a=objects(b"x", None)),
    "seconds": frame(a=np.array(["2020-01-01"], "M8[s]"), b=np.array([1], "m8[s]")),
    "an index of seconds": pd.DataFrame({"a": [1]}, pd.DatetimeIndex(np.array(["2020-01-01"], "M8[s]"))),
    "nanoseconds": frame(a=np.array(["2020-01-01T00:00:00.000000001"], "M8[ns]")),
    "categories of text": frame(a=pd.Categorical(["x", "y"], ["y", "x", "z"], ordered=True)),
    "categories of numbers": frame(a=pd.Categorical([3, 1, 3], [3, 1, 7])),
    "an index of categories": pd.DataFrame({"a": [1, 2]}, pd.CategoricalIndex([2, 1])),
    "periods": frame(a=pd.period_range("2020-01", periods=2, freq="M")),
    "an index of periods": pd.DataFrame({"a": [1, 2]}, pd.period_range("2020-01", periods=2, freq="M")),
    "intervals": frame(a=pd.interval_range(0, 2)),
    "whole numbers with gaps": frame(a=pd.array([1, None], dtype="Int64")),
    "small floats": frame(a=np.array([1, 2], "f2")),
    "columns that are numbers": pd.DataFrame([[1, 2]], columns=[5, 6]),
    "two levels of columns": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "1"), ("b", "2")])),
    "columns that are days": pd.DataFrame([[1, 2, 3]], columns=DAYS),
    "an index called as a column": frame(a=[1, 2]).set_index(pd.Index([3, 4], name="a")),
    "levels of one name": pd.DataFrame({"a": [1]}, pd.MultiIndex.from_tuples([("x", 1)], names=["n", "n"])),
    "nothing": pd.DataFrame(),
    "no columns": pd.DataFrame(index=[1, 2, 3]),
    "no rows": frame(a=np.array([], "f4"), b=np.array([], "M8[ns]")),
    "attributes": with_attrs(unit="EUR", span=(1, 2)),
    "a range": frame(a=[1, 2]).set_index(pd.RangeIndex(4, 8, 2, name="z")),
    "a Series without a name": pd.Series([1.0, None]),
    "a Series with a number as its name": pd.Series([1.0], name=7),
    "a Series with a pair as its name": pd.Series([1.0], name=("a", 1)),
    "a Series called as a level": pd.Series([1.0] * 6, PAIRS, name="instrument"),
    "a Series called by a day": pd.Series([1.0], name=pd.Timestamp("2020-01-01")),
    "a Series without a name, whose level is called value": pd.Series([1], pd.Index([2], name="value")),
    "a Series of objects": objects("x", None),
    "a Series of days": pd.Series(DAYS),
}
# Frames and Series that Parquet would change.
NO_TABLES: dict[str, Any] = {
    "two columns of one name": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "columns of several types": pd.DataFrame([[1, 2]], columns=["a", 1]),
    "columns that are pairs": pd.DataFrame([[1, 2]], columns=pd.Index([("a", 1), ("b", 2)], tupleize_cols=False)),
    "columns that are categories": pd.DataFrame([[1, 2]], columns=pd.CategoricalIndex(["x", "y"])),
    "values of several types": frame(a=objects(1, "x", 2.5)),
    "NaN among objects": frame(a=objects("x", float("nan"))),
    "mappings": frame(a=objects({"a": 1}, {"b": 2})),
    "complex numbers": frame(a=np.array([1j])),
    "numbers of another machine": frame(a=np.array([1, 2], ">i4")),
    "sparse values": frame(a=pd.arrays.SparseArray([0, 0, 1])),
    "an index called by a number": pd.DataFrame({"a": [1]}, pd.Index([1], name=0)),
    "attributes of a class": with_attrs(which=object()),
    "any objects": frame(a=objects(object())),
}
ARRAYS: dict[str, Any] = {
    "a number": np.array(1.5),
    "none": np.zeros((0, 3)),
    "complex": np.array([1j, np.nan]),
    "days": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "seconds": np.array([1, 2], "m8[s]"),
    "big-endian": np.arange(3, dtype=">i4"),
    "Fortran order": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "not in one piece": np.arange(10)[::3],
    "fields": np.array([(1, "x", 2.5)], [("a", "i4"), ("b", "U3"), ("c", "f8")]),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a"]),
    "minus zero": np.array([-0.0, np.nan, np.inf]),
    "half precision": np.array([1.5], "f2"),
    "masked": np.ma.array([1.0, 999.0], mask=[0, 1]),
    "masked, nothing hidden": np.ma.array([1, 2]),
    "masked, with a fill value": np.ma.array([1, 2], mask=[1, 0], fill_value=-1, hard_mask=True),
    "masked fields": np.ma.array([(1, 2.0)], [("a", "i4"), ("b", "f8")], mask=[(True, False)]),
}


class Grid(np.ndarray):
    """An array of a class of its own."""


NO_ARRAYS: dict[str, Any] = {
    "objects": np.array([object()]),
    "objects in fields": np.array([(None,)], [("a", "O")]),
    "masked objects": np.ma.array([None, 1], mask=[1, 0], dtype=object),
    "an array of a class of its own": np.arange(2).view(Grid),
    "records": np.rec.array([(1,)], dtype=[("a", "i4")]),
    "the mask itself": np.ma.masked,
    "variable text": np.array(["a"], np.dtypes.StringDType()),
}


class Tagged(str):
    """Text of a class of its own."""


VALUES: dict[str, Any] = {
    "a pair in a mapping": {"train": ("2008-01-01", "2014-12-31"), "n": [1, (2,), []]},
    "keys that are no text": {1: "a", (1, "b"): None, "c": {2.5: True}},
    "keys that look like marks": {"$tuple": [1], "$": 2},
    "dates": [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 1, tzinfo=dt.UTC)],
    "timestamps": {"at": pd.Timestamp("2020-01-01T00:00:00.000000001"), "s": pd.Timestamp("2020-01-01").as_unit("s")},
    "numbers of numpy": {"ic": np.float64(0.1), "n": np.int64(3), "f": np.float32(0.1), "b": np.bool_(True)},
    "text of numpy": np.str_("a"),
    "a huge number": 2**200,
    "nothing": None,
    "an empty pair": (),
    "order": {"b": 1, "a": 2},
    "half a character inside": ["\ud800"],
    "text": "a\r\nb\0 é",
    "bytes": b"\x00\xff",
}
NO_VALUES: dict[str, Any] = {
    "a set": {1, 2},
    "a set inside": {"a": [{1}]},
    "not a number": float("nan"),
    "infinity inside": {"a": [math.inf]},
    "not a number of numpy": np.float64("nan"),
    "a decimal": Decimal("1.1"),
    "bytes inside": {"a": b"x"},
    "a path inside": {"a": Path("x")},
    "a complex number": 1j,
    "a time with a zone's rules": dt.datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Rome")),
    "a stamp with a zone": pd.Timestamp("2020-01-01", tz="UTC"),
    "no time": pd.NaT,
    "text of another class": Tagged("x"),
    "half a character": "\ud800",
    "a span": dt.timedelta(1),
    "an index": pd.Index([1]),
    "a function": len,
    "an object": object(),
    "a bytearray": bytearray(b"x"),
    "a number that cannot be written": 10**5000,
}


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one type: by other means than the code that is tried."""
    if type(one) is not type(other):
        return False
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True, check_freq=not isinstance(one.index, pd.MultiIndex))
        return bool(one.attrs == other.attrs)
    if isinstance(one, pd.Series):
        pd.testing.assert_series_equal(
            one, other, check_exact=True, check_freq=not isinstance(one.index, pd.MultiIndex)
        )
        return True
    if isinstance(one, np.ma.MaskedArray):
        masks = np.ma.getmaskarray(one), np.ma.getmaskarray(other)
        return same(one.data, other.data) and same(*masks) and one.fill_value == other.fill_value
    if isinstance(one, np.ndarray):
        order = one.flags.f_contiguous == other.flags.f_contiguous or not one.flags.contiguous
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes() and order
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)


def fresh(folder: Path) -> Artifacts:
    return Artifacts(LocalStorage(folder), own=False)


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
@pytest.mark.parametrize(
    "name", [*TABLES, *(f"array: {name}" for name in ARRAYS), *(f"value: {name}" for name in VALUES)]
)
def test_it_comes_back(name: str, tmp_path: Path) -> None:
    value = {
        **TABLES,
        **{f"array: {n}": v for n, v in ARRAYS.items()},
        **{f"value: {n}": v for n, v in VALUES.items()},
    }[name]
    Artifacts(LocalStorage(tmp_path), own=True).save({"x": value})
    assert same(value, fresh(tmp_path).load("x"))


REFUSED = {
    **NO_TABLES,
    **{f"array: {n}": v for n, v in NO_ARRAYS.items()},
    **{f"value: {n}": v for n, v in NO_VALUES.items()},
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_nothing_else_is_touched(name: str, tmp_path: Path) -> None:
    artifacts = Artifacts(LocalStorage(tmp_path), own=True)
    with pytest.raises(BadInput):
        artifacts.save({"good": 1, "bad": REFUSED[name]})
    assert not list(tmp_path.iterdir())
    artifacts.save({"bad": "text"})
    assert fresh(tmp_path).load("bad") == "text"


def test_a_value_that_holds_itself_is_refused(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(BadInput, match="itself"):
        Artifacts(LocalStorage(tmp_path), own=True).save({"x": endless})


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    st.sampled_from([np.float32(1.5), np.int8(3), np.datetime64("2020-01-01"), Decimal("1.0"), object()]),
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(
            st.text(max_size=3) | st.integers() | st.sampled_from(["$", "$dict", "$date"]), inner, max_size=3
        ),
    ),
    max_leaves=12,
)
COLUMN = st.lists(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.dates()), max_size=4
)
SERIES = st.builds(
    lambda values, as_objects, name: pd.Series(values, dtype=object if as_objects else None, name=name),
    COLUMN,
    st.booleans(),
    st.one_of(st.none(), st.text(max_size=3), st.integers(), st.tuples(st.text(max_size=2), st.integers(0, 9))),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(NESTED, SERIES, SERIES.map(lambda series: series.to_frame())))
def test_any_value_comes_back_or_is_refused(tmp_path: Path, value: Any) -> None:
    artifacts = Artifacts(LocalStorage(tmp_path), own=True)
    try:
        artifacts.save({"x": value})
    except BadInput:
        return
    assert same(value, fresh(tmp_path).load("x"))


NAMES = st.sampled_from(
    ["x", "x.txt", "x.json", "x.parquet", "x/part", "x.txt/part", "x.pkl", "x.csv", "y", "y/x", "params", "params.pkl"]
)
THINGS = st.sampled_from(["text", {"a": 1}, frame(a=[1]), np.arange(2), b"bytes"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(NAMES, THINGS), max_size=6))
def test_what_was_saved_last_under_a_name_comes_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    artifacts = Artifacts(LocalStorage(folder), own=True)
    for name, value in steps:
        try:
            artifacts.save({name: value})
        except BadInput:
            assert name in ("x.txt/part", "x.txt", "x")
            continue
        assert same(value, artifacts.load(name))
        assert same(value, fresh(folder).load(name))


def test_one_name_saved_twice_with_another_kind(local: MLflowExperiment) -> None:
    recorder = local.create_recorder("r", start=True)
    recorder.save_objects(x=frame(a=[1]), kept=1)
    recorder.save_objects(x="text")
    recorder.end_run()
    found = local.get_recorder(recorder.id)
    assert found.load_object("x") == "text"
    assert found.load_object("kept") == 1
    assert "x.parquet" not in found.list_artifacts()


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("pred.csv", frame(a=[1]), "pred.csv.parquet"),
        ("pred.pkl", frame(a=[1]), "pred.parquet"),
        ("ic_2020.01", pd.Series([1.0]), "ic_2020.01.parquet"),
        ("notes.md", "text", "notes.md"),
        ("plot.png", b"bytes", "plot.png"),
        ("config.yaml", {"a": 1}, "config.yaml.json"),
    ],
)
def test_the_ending_of_a_file_says_what_is_in_it(name: str, value: Any, path: str, tmp_path: Path) -> None:
    Artifacts(LocalStorage(tmp_path), own=True).save({name: value})
    assert (tmp_path / path).is_file()
    assert same(value, fresh(tmp_path).load(name))


def test_a_refused_artifact_blocks_nothing_and_the_run_ends(experiment: MLflowExperiment, tmp_path: Path) -> None:
    recorder = experiment.create_recorder("r", start=True)
    recorder.save_objects(**{"report.txt": "a", "deep/x.json": {}})
    (tmp_path / "empty").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "away").symlink_to("/etc/hosts")
    (tmp_path / "file").write_text("x")
    for bad in (
        {"report.txt/part": {"b": 1}},
        {"deep": b"x", "deep.bin/x": 1},
        {"deep": tmp_path / "file"},
        {"manifest.json/x": 1},
        {LONG: {}},
        {"long_values": {}},
        {"a": 1, "a.json": 2},
        {"folder": tmp_path / "empty"},
        {"folder": tmp_path / "links"},
        {"folder": tmp_path / "none"},
    ):
        with pytest.raises(BadInput):
            recorder.save_objects(**bad)
    recorder.save_objects(good=1)
    recorder.end_run()
    found = experiment.get_recorder(recorder.id)
    assert (found.status, found.load_object("good"), found.load_object("report.txt")) == ("FINISHED", 1, "a")


def test_a_folder_replaces_nothing_that_it_does_not_hold(local: MLflowExperiment, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    recorder = local.create_recorder("r", start=True)
    for name in ("a", "b"):
        recorder.save_objects(tmp_path / name, "plots")
    assert recorder.list_artifacts("plots") == ["plots/a.txt", "plots/b.txt"]


class Silent:
    """A model that saves nothing."""

    def save(self, folder: Path) -> None:
        (folder / "empty").mkdir()

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls()


class Shrinking:
    """A model of as many files as it is told."""

    def __init__(self, files: int) -> None:
        self.files = files

    def save(self, folder: Path) -> None:
        for number in range(self.files):
            (folder / str(number)).write_text("")

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(len(list(folder.iterdir())))


def test_a_model_that_cannot_come_back_is_refused(tmp_path: Path) -> None:
    registered = (f"{__name__}:Silent", f"{__name__}:Shrinking")
    artifacts = Artifacts(LocalStorage(tmp_path), own=True, components=registered)
    with pytest.raises(BadInput, match=r"Silent.save\(folder\) wrote nothing"):
        artifacts.save({"model": Silent()})
    inner = type("Inner", (Shrinking,), {"__qualname__": "outer.<locals>.Inner"})
    with pytest.raises(BadInput, match="cannot be found again"):
        artifacts.save({"model": inner(1)})
    artifacts.save({"model": Shrinking(3)})
    artifacts.save({"model": Shrinking(1)})
    assert Artifacts(LocalStorage(tmp_path), own=False, components=registered).load("model").files == 1


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = Artifacts(LocalStorage(tmp_path), own=True)
    artifacts.save({"x": "old", "y": "old"})

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(Unavailable, match="No space"):
            artifacts.save({"x": "new"})
    assert fresh(tmp_path).load("x") == "old"
    artifacts.save({"z": 1})
    assert (artifacts.load("x"), artifacts.load("z")) == ("old", 1)


def test_a_run_ends_although_its_artifacts_cannot_be_written(
    local: MLflowExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = local.create_recorder("r", start=True)
    recorder.log_metrics(ic=0.5)

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RollqError, match="No space"):
        recorder.end_run()
    found = local.get_recorder(recorder.id)
    assert (found.status, found.metrics) == ("FAILED", {"ic": 0.5})


def test_tags_of_any_length_and_metrics_of_any_size(experiment: MLflowExperiment) -> None:
    text = "".join(chr(65 + n % 26) for n in range(20_000))
    recorder = experiment.create_recorder("r", {"first": text + "1"}, start=True)
    recorder.set_tags(long=text, short="a", twice=text)
    recorder.set_tags(twice="b")
    recorder.log_metrics(up=math.inf, down=-math.inf, big=1e300)
    recorder.end_run()
    other = experiment.get_recorder(recorder.id)
    other.set_tags(later=text + "2")
    other.flush()
    tags = experiment.get_recorder(recorder.id).list_tags()
    assert (tags["first"], tags["long"], tags["later"]) == (text + "1", text, text + "2")
    assert (tags["short"], tags["twice"]) == ("a", "b")
    assert other.list_metrics() == {"up": math.inf, "down": -math.inf, "big": 1e300}


def test_what_cannot_be_logged_is_refused_at_the_call(local: MLflowExperiment) -> None:
    recorder = local.create_recorder("r", start=True)
    for bad in (
        lambda: recorder.log_metrics(good=1.0, ic="much"),
        lambda: recorder.log_metrics(ic=10**400),
        lambda: recorder.log_metrics(ic=1.0, step=2**70),
        lambda: recorder.log_metrics(ic=1.0, step="one"),  # type: ignore[arg-type]
        lambda: recorder.log_history({"loss": [1.0, None]}),  # type: ignore[list-item]
        lambda: recorder.set_tags({1: "a"}),  # type: ignore[dict-item]
        lambda: recorder.set_tags(a="\ud800"),
        lambda: recorder.log_params({"a": {"b": 1}, "a.b": 2}),
        lambda: recorder.log_params(a="\ud800"),
        lambda: recorder.log_params(a=object()),
    ):
        with pytest.raises(BadInput):
            bad()
    recorder.log_metrics(ic=1.0)
    recorder.end_run()
    assert local.get_recorder(recorder.id).list_metrics() == {"ic": 1.0}


def test_what_is_logged_after_something_that_was_not_taken_is_written(local: MLflowExperiment) -> None:
    recorder = local.create_recorder("r", start=True)
    recorder.log_params(a=1)
    recorder.flush()
    recorder.log_params(a=2)
    recorder._writer.flush()
    with pytest.raises(NotLogged, match="param 'a'"):
        recorder.log_metrics(after=1.0)
    recorder.end_run()
    assert local.get_recorder(recorder.id).list_metrics() == {"after": 1.0}


def test_a_file_that_is_not_of_its_kind_is_told(tmp_path: Path) -> None:
    for kind, content in (("frame", b"PAR"), ("array", b"x"), ("json", b"{"), ("masked", b"PK"), ("text", b"\xff")):
        from rollq.tasks.tracking.artifacts.codecs import codec_named

        with pytest.raises(ArtifactCorrupted):
            codec_named(kind).decode(content)


def test_other_programs_read_the_files() -> None:
    content = codec_of(pd.Series([1.0, 2.0], name="score")).encode(pd.Series([1.0, 2.0], name="score"))
    import io

    assert list(pd.read_parquet(io.BytesIO(content))["score"]) == [1.0, 2.0]
    assert json.loads(codec_of({"ic": 0.5}).encode({"ic": 0.5})) == {"ic": 0.5}
