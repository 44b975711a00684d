"""The kinds of artifacts: how each value is written and read. Nothing here runs code from a file, unless the setting
``pickle_classes`` names every class that a pickle may hold.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.errors import ArtifactCorrupted, BadInput, TemplateError
from tasks.identity import canonical


@dataclass(frozen=True)
class Kind:
    """A kind: its file ending, whether it can hold a value, and how the value becomes bytes and comes back."""

    name: str
    suffix: str
    holds: Callable[[Any], bool]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def kind_of(value: Any, pickle_classes: tuple[str, ...] = ()) -> Kind:
    """The kind that holds ``value``.

    Raises:
        BadInput: none does.
    """
    found = next((kind for kind in KINDS.values() if kind.holds(value)), None)
    if found is not None:
        return found
    if pickle_classes:
        return _pickle(pickle_classes)
    raise BadInput(
        f"A {type(value).__name__} has no safe form as an artifact.",
        "Give a frame, an array, JSON values, text, bytes, a Path, a Booster, or a model with save and load.",
    )


def kind_named(name: str, pickle_classes: tuple[str, ...] = ()) -> Kind:
    """The kind of this name, as a manifest has it.

    Raises:
        ArtifactCorrupted: there is no such kind.
        BadInput: it is a pickle, and no class is allowed.
    """
    if name == "pickle":
        if not pickle_classes:
            raise BadInput("The artifact is a pickle.", "Name the classes that it may hold in ROLLQ_PICKLE_CLASSES.")
        return _pickle(pickle_classes)
    if name not in KINDS:
        raise ArtifactCorrupted(f"The manifest names an unknown kind of artifact: {name!r}.", "Train the task again.")
    return KINDS[name]


def _frame_bytes(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", compression="zstd")
    return buffer.getvalue()


def _read_frame(content: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(content), engine="pyarrow")


def _series_bytes(series: pd.Series) -> bytes:
    return _frame_bytes(series.to_frame(series.name if series.name is not None else "value"))


def _array_bytes(array: np.ndarray) -> bytes:
    if array.dtype.hasobject:
        raise BadInput("An array of Python objects has no safe form.", "Give it a dtype of numbers or text.")
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _json_bytes(value: Any) -> bytes:
    return json.dumps(canonical(value), indent=1, sort_keys=True, allow_nan=False).encode()


def _is_json(value: Any) -> bool:
    try:
        canonical(value)
    except (TemplateError, RecursionError):
        return False
    return True


def _is_booster(value: Any) -> bool:
    """Without importing LightGBM, which a process that never trains does not need."""
    return type(value).__name__ == "Booster" and type(value).__module__.partition(".")[0] == "lightgbm"


def _read_booster(content: bytes) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=content.decode())


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("frame", ".parquet", lambda value: isinstance(value, pd.DataFrame), _frame_bytes, _read_frame),
        Kind(
            "series",
            ".parquet",
            lambda value: isinstance(value, pd.Series),
            _series_bytes,
            lambda content: _read_frame(content).iloc[:, 0],
        ),
        Kind(
            "array",
            ".npy",
            lambda value: isinstance(value, np.ndarray),
            _array_bytes,
            lambda content: np.load(io.BytesIO(content), allow_pickle=False),
        ),
        Kind("text", ".txt", lambda value: isinstance(value, str), lambda value: str(value).encode(), bytes.decode),
        Kind("bytes", ".bin", lambda value: isinstance(value, bytes), bytes, bytes),
        Kind("booster", ".txt", _is_booster, lambda value: str(value.model_to_string()).encode(), _read_booster),
        Kind("json", ".json", _is_json, _json_bytes, json.loads),
    )
}


def _pickle(classes: tuple[str, ...]) -> Kind:
    """Pickle, for an exact list of ``module:Class``: what is written must come back through the same gate."""

    def load(content: bytes) -> Any:
        return _Unpickler(io.BytesIO(content), classes).load()

    def dump(value: Any) -> bytes:
        content = pickle.dumps(value, protocol=5)
        load(content)
        return content

    return Kind("pickle", ".pkl", lambda value: True, dump, load)


class _Unpickler(pickle.Unpickler):
    """Lets through the classes of an exact list, and nothing by its module alone."""

    def __init__(self, file: io.BytesIO, classes: tuple[str, ...]) -> None:
        super().__init__(file)
        self._classes = classes

    def find_class(self, module: str, name: str) -> Any:
        """The class, if it is on the list.

        Raises:
            BadInput: it is not.
        """
        if f"{module}:{name}" not in self._classes:
            held = f"{module}:{name}"
            raise BadInput(f"The pickle holds {held}, which is not allowed.", "ROLLQ_PICKLE_CLASSES may name it.")
        return super().find_class(module, name)
