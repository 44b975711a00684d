"""The gate for Qlib's pickles: values come back, whatever else a pickle does is refused with its name."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from pandas.core.indexes.base import _new_Index

from rollq.tasks.errors import ArtifactCorrupted, BadInput, PermanentError
from rollq.workers.qlib.pickles import dump, load

INDEX = pd.MultiIndex.from_product(
    [pd.date_range("2020-01-01", periods=3), ["A", "B"]], names=["datetime", "instrument"]
)
VALUES = {
    "frame": pd.DataFrame({"score": np.arange(6.0)}, index=INDEX),
    "series": pd.Series([0.1, 0.2], index=pd.date_range("2020-01-01", periods=2, freq="D")),
    "columns": pd.DataFrame(
        {
            "category": pd.Categorical(["x", "y"]),
            "whole": pd.array([1, None], dtype="Int64"),
            "text": ["u", "v"],
            "zoned": pd.to_datetime(["2020", "2021"]).tz_localize("Asia/Shanghai"),
        }
    ),
    "task": {"segments": {"train": (pd.Timestamp("2020-01-01"), None)}, "rate": np.float64(0.1), "cut": slice(1, 2)},
    "arrays": [np.zeros(2, dtype) for dtype in ("f4", "i8", "M8[ns]", "U3", "O", "?")],
}


class Calls:
    """Pickled, it is a call of ``function`` with ``arguments``, and then ``state`` is filled in."""

    def __init__(self, function: Callable[..., Any], *arguments: object, state: object = None) -> None:
        self.made = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        """What pickle asks."""
        return self.made


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_values_come_back(name: str, protocol: int) -> None:
    """Frames, series, configurations and arrays, in every protocol that Qlib can be told to write."""
    read = load(pickle.dumps(VALUES[name], protocol=protocol))
    if isinstance(VALUES[name], pd.DataFrame | pd.Series):
        same: Callable[..., None] = (
            pd.testing.assert_frame_equal if name != "series" else pd.testing.assert_series_equal
        )
        same(read, VALUES[name])
    else:
        assert repr(read) == repr(VALUES[name])


def test_a_model_of_qlib_comes_back() -> None:
    """With its trees."""
    from qlib.contrib.model.gbdt import LGBModel

    model, features = LGBModel(), np.random.default_rng(7).random((50, 3))
    model.model = lightgbm.train({"verbose": -1}, lightgbm.Dataset(features, features[:, 0]), 3)
    read = load(pickle.dumps(model, protocol=4))
    assert isinstance(read, LGBModel)
    assert np.array_equal(read.model.predict(features), model.model.predict(features))


def _opcodes(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def _name(module: str, name: str) -> bytes:
    return b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)) + b"\x93"


def _by_getattr() -> bytes:
    """``getattr(getattr(slice, "__base__"), "__subclasses__")()``."""
    text = b"\x8c\x08__base__"
    inner = _name("builtins", "getattr") + _name("builtins", "slice") + text + b"\x86R"
    return _opcodes(_name("builtins", "getattr"), inner, b"\x8c\x0e__subclasses__\x86R)R")


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "system": (lambda: pickle.dumps(Calls(os.system, "exit 1")), "posix:system"),
    "eval": (lambda: pickle.dumps(Calls(eval, "1"), protocol=4), "builtins:eval"),
    "old eval": (lambda: pickle.dumps(Calls(eval, "1"), protocol=0), "__builtin__:eval"),
    "getattr": (_by_getattr, "builtins:getattr for '__base__'"),
    "a path to a module": (lambda: _opcodes(_name("pandas", "io.common.os.system"), b"\x8c\x01x\x85R"), "io.common"),
    "dtype flags": (
        lambda: pickle.dumps(Calls(np.dtype, "O8", False, True, state=(3, "|", None, None, None, -1, -1, 0))),
        "the dtype object",
    ),
    "addresses of objects": (lambda: pickle.dumps(Calls(np.ndarray, (1,), "O", bytearray(8))), "calls numpy:ndarray"),
    "addresses by a new object": (
        lambda: _opcodes(_name("numpy", "ndarray"), pickle.dumps(((1,), "O", b"12345678"), protocol=4)[2:-1], b"\x81"),
        "calls numpy:ndarray",
    ),
    "addresses by an index": (
        lambda: pickle.dumps(Calls(_new_Index, np.ndarray, {"shape": (1,), "dtype": "O", "buffer": bytearray(8)})),
        "an index of 'ndarray'",
    ),
    "an array filled in twice": (
        lambda: pickle.dumps(np.arange(3), protocol=4)[:-1] + b")b.",
        "fills in an array twice",
    ),
    "a class that is changed": (lambda: _opcodes(_name("qlib.contrib.model.gbdt", "LGBModel"), b"N}\x86b"), "itself"),
    "an old instance": (lambda: b"(cqlib.data.dataset\nDatasetH\no.", "protocol 0 or 1"),
    "a persistent id": (lambda: b"\x80\x04\x8c\x01xQ.", "persistent"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_could_do_harm_is_refused(what: str) -> None:
    """And named."""
    make, named = REFUSED[what]
    with pytest.raises((BadInput, ArtifactCorrupted), match="pickle") as caught:
        load(make())
    assert named in caught.value.message


def test_qlibs_constructors_are_not_called() -> None:
    """A dataset of Qlib builds any class that its configuration names: it is never made by a call."""
    from qlib.data.dataset import DatasetH

    command = {"class": "system", "module_path": "os", "kwargs": {"command": "exit 1"}}
    with pytest.raises(BadInput, match=r"calls qlib\.data\.dataset:DatasetH"):
        load(pickle.dumps(Calls(DatasetH, command, {})))


def test_own_classes_are_read_where_they_are_named() -> None:
    """By the setting pickle_classes."""
    content = pickle.dumps(Calls(os.path.basename, "a/b"))
    with pytest.raises(BadInput, match="posixpath:basename"):
        load(content)
    assert load(content, ("posixpath:basename",)) == "b"


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"no pickle", pickle.dumps([1, 2])[:-1]])
def test_half_a_pickle_is_named(content: bytes) -> None:
    """As corrupted, whatever the unpickler raises."""
    with pytest.raises(ArtifactCorrupted, match="cannot be read"):
        load(content)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a library that is not installed."""
    monkeypatch.setitem(__import__("sys").modules, "catboost.core", None)
    with pytest.raises(BadInput, match=r"catboost\.core"):
        load(_opcodes(_name("catboost.core", "CatBoost"), b")\x81"))


def test_what_could_not_be_read_again_is_not_kept() -> None:
    """It is refused when it is pickled."""
    assert load(dump(VALUES["task"])) == VALUES["task"]
    with pytest.raises(PermanentError, match="posix:system"):
        dump(Calls(os.system, "exit 1"))
