"""The codecs of artifacts: how each kind of value is written and read.

Nothing here runs code from a file, unless the setting ``pickle_classes`` names every class that a pickle may hold.
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
import pyarrow as pa

from rollq.tasks.errors import ArtifactCorrupted, BadInput
from rollq.tasks.tracking.artifacts.frames import frame_bytes, read_frame, read_series, same_table, series_bytes
from rollq.tasks.tracking.artifacts.plain import from_json, to_json

# What the libraries raise for a value that they cannot write, or would write as another one.
# Warnings among them: what pandas and pyarrow only warn of may come back as something else.
REFUSALS: tuple[type[Exception], ...] = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError, NotImplementedError, RecursionError),
    *(pa.ArrowException, pickle.PickleError, Warning),
)


@dataclass(frozen=True)
class Codec:
    """Of a kind of value: the file ending, whether a value is of this kind, how it becomes bytes and comes back, and
    whether what came back is the same.
    """

    name: str
    suffix: str
    holds: Callable[[object], bool]
    write: Callable[[Any], bytes]
    read: Callable[[bytes], object]
    same: Callable[[Any, Any], bool] | None = None  # None: it is not read back

    def encode(self, value: object) -> bytes:
        """The bytes of ``value``, read back and compared: what would come back as another value is refused here.

        Raises:
            BadInput: it would not come back equal.
        """
        try:
            content = self.write(value)
            good = self.same is None or self.same(value, self.read(content))
            why = "" if good else "it would come back as another value"
        except BadInput:
            raise
        except REFUSALS as error:
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if why:
            raise BadInput(
                f"This {type(value).__name__} cannot be kept as {self.name}: {why}.", FIXES.get(self.name, "")
            )
        return content

    def decode(self, content: bytes) -> object:
        """The value that was written.

        Raises:
            ArtifactCorrupted: the bytes are no value of this kind.
        """
        try:
            return self.read(content)
        except REFUSALS as error:
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise ArtifactCorrupted(f"It cannot be read as {self.name}: {why}.", "Train the task again.") from error


FIXES = {
    "frame": "Give each column one name, one type, and values that Parquet knows.",
    "series": "Give it one type, and values that Parquet knows.",
    "array": "Give a plain array of numbers or text: numpy.asarray(value), and a dtype without objects.",
    "masked": "Give a numpy.ma.MaskedArray of numbers or text, without objects.",
    "text": "Correct the text, or give bytes.",
    "json": "Give a flatter value of lists, mappings, numbers and text.",
}


def codec_of(value: object, pickle_classes: tuple[str, ...] = ()) -> Codec:
    """The kind that holds ``value``.

    Raises:
        BadInput: none does.
    """
    found = next((codec for codec in CODECS.values() if codec.holds(value)), None)
    if found is not None:
        return found
    try:
        to_json(value)
    except BadInput:
        if pickle_classes:
            return _pickle(pickle_classes)
        raise
    except RecursionError:
        raise BadInput("The value contains itself, or lies too deep.", FIXES["json"]) from None
    return CODECS["json"]


def codec_named(name: str, pickle_classes: tuple[str, ...] = ()) -> Codec:
    """The kind of this name, as a manifest has it.

    Raises:
        ArtifactCorrupted: there is no such kind.
        BadInput: it is a pickle, and no class is allowed.
    """
    if name == "pickle":
        if not pickle_classes:
            raise BadInput("The artifact is a pickle.", "Name the classes that it may hold in ROLLQ_PICKLE_CLASSES.")
        return _pickle(pickle_classes)
    if name not in CODECS:
        raise ArtifactCorrupted(f"The manifest names an unknown kind of artifact: {name!r}.", "Train the task again.")
    return CODECS[name]


def _array_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _read_array(content: bytes) -> object:
    return np.load(io.BytesIO(content), allow_pickle=False)


def _same_array(one: np.ndarray, other: np.ndarray) -> bool:
    alike = type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape
    # Bytes, because NaN equals nothing and 0.0 equals -0.0.
    return alike and one.tobytes() == other.tobytes()


def _masked_bytes(array: np.ma.MaskedArray) -> bytes:
    """Data, mask and fill value as ``.npz``; what lies under the mask is kept too."""
    parts: dict[str, np.ndarray] = {
        "data": array.data,
        "fill_value": np.asarray(array.fill_value),
        "hard": np.asarray(array.hardmask),
    }
    if array.mask is not np.ma.nomask:
        parts["mask"] = np.asarray(array.mask)
    if any(part.dtype.hasobject for part in parts.values()):
        raise BadInput("An array of Python objects has no safe form.", FIXES["masked"])
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **parts)
    return buffer.getvalue()


def _read_masked(content: bytes) -> object:
    with np.load(io.BytesIO(content), allow_pickle=False) as parts:
        mask = parts.get("mask", np.ma.nomask)
        fill = parts["fill_value"][()]
        return np.ma.MaskedArray(parts["data"], mask, fill_value=fill, hard_mask=bool(parts["hard"]))


def _same_masked(one: np.ma.MaskedArray, other: np.ma.MaskedArray) -> bool:
    pairs = [(one.data, other.data), (np.ma.getmaskarray(one), np.ma.getmaskarray(other))]
    fills = (np.asarray(one.fill_value), np.asarray(other.fill_value))
    return type(one) is type(other) and all(_same_array(*pair) for pair in [*pairs, fills])


def _json_bytes(value: object) -> bytes:
    return json.dumps(to_json(value), indent=1, allow_nan=False).encode()


def _same_json(value: object, back: object) -> bool:
    """``to_json`` marks every type, so two values with one form are the same."""
    return repr(to_json(value)) == repr(to_json(back))


def _is_booster(value: object) -> bool:
    """Without importing LightGBM, which a process that never trains does not need."""
    return type(value).__name__ == "Booster" and type(value).__module__.partition(".")[0] == "lightgbm"


def _read_booster(content: bytes) -> object:
    import lightgbm

    return lightgbm.Booster(model_str=content.decode())


def _is_a(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


CODECS: Mapping[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("frame", ".parquet", _is_a(pd.DataFrame), frame_bytes, read_frame, same_table),
        Codec("series", ".parquet", _is_a(pd.Series), series_bytes, read_series, same_table),
        Codec("masked", ".npz", _is_a(np.ma.MaskedArray), _masked_bytes, _read_masked, _same_masked),
        Codec("array", ".npy", _is_a(np.ndarray), _array_bytes, _read_array, _same_array),
        Codec("text", ".txt", lambda value: type(value) is str, str.encode, bytes.decode, str.__eq__),
        Codec("bytes", ".bin", lambda value: type(value) is bytes, bytes, bytes),
        Codec("booster", ".txt", _is_booster, lambda value: value.model_to_string().encode(), _read_booster),
        Codec("json", ".json", lambda value: False, _json_bytes, lambda made: from_json(json.loads(made)), _same_json),
    )
}


def _pickle(classes: tuple[str, ...]) -> Codec:
    """Pickle, for an exact list of ``module:Class``: what is written must come back through the same gate."""

    def load(content: bytes) -> object:
        return _Unpickler(io.BytesIO(content), classes).load()

    def dump(value: object) -> bytes:
        content = pickle.dumps(value, protocol=5)
        # Read through the same gate at once, so that a class that is not allowed is refused when it is saved.
        load(content)
        return content

    return Codec("pickle", ".pkl", lambda value: True, dump, load)


class _Unpickler(pickle.Unpickler):
    """Lets through the classes of an exact list, and nothing by its module alone."""

    def __init__(self, file: io.BytesIO, classes: tuple[str, ...]) -> None:
        super().__init__(file)
        self._classes = classes

    def find_class(self, module: str, name: str) -> object:
        """The class, if it is on the list.

        Raises:
            BadInput: it is not.
        """
        if f"{module}:{name}" not in self._classes:
            held = f"{module}:{name}"
            raise BadInput(f"The pickle holds {held}, which is not allowed.", "ROLLQ_PICKLE_CLASSES may name it.")
        return super().find_class(module, name)
