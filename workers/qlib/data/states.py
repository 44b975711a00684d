"""What the processors of a handler have learned, as JSON: kept with the model, and given to a handler of other days."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from rollq.tasks.errors import ArtifactCorrupted, PermanentError

State = Mapping[str, object]
ARRAY, COLUMNS, TEXTS = "array", "columns", "texts"


def states_of(processors: Iterable[object]) -> list[dict[str, object]]:
    """The attributes of each processor, in their order.

    Raises:
        PermanentError: one has learned something that has no form here.
    """
    return [
        {
            name: _written(value, f"{type(one).__name__}.{name}")
            for name, value in vars(one).items()
            if not callable(value)  # set when it is made
        }
        for one in processors
    ]


def restore(processors: Sequence[object], states: Sequence[State]) -> None:
    """Give processors what others like them have learned.

    Raises:
        ArtifactCorrupted: it was of other processors.
    """
    if len(processors) != len(states):
        raise ArtifactCorrupted("The model was trained with other processors.", "Train the task again.")
    for one, state in zip(processors, states, strict=True):
        for name, value in state.items():
            setattr(one, name, _read(value))


def _written(value: object, name: str) -> object:
    """A value as JSON; what is no number, text or list of them is a mapping of its kind."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, pd.Index):
        return {COLUMNS: [list(one) if isinstance(one, tuple) else one for one in value], "names": list(value.names)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "OUT":
        return {TEXTS: [str(one) for one in value.tolist()]}
    if isinstance(value, np.ndarray | np.generic):
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(value), allow_pickle=False)
        return {ARRAY: base64.b64encode(buffer.getvalue()).decode()}
    if isinstance(value, pd.Timestamp):
        return str(value)
    if isinstance(value, list | tuple):
        return [_written(one, name) for one in value]
    raise PermanentError(
        f"{name} is a {type(value).__name__}, which cannot be kept with a model.", "Use processors of Qlib's own."
    )


def _read(value: object) -> object:
    """The value that ``_written`` wrote."""
    if isinstance(value, list):
        return [_read(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if ARRAY in value:
        array = np.load(io.BytesIO(base64.b64decode(value[ARRAY])), allow_pickle=False)
        return array if array.shape else array[()]
    if TEXTS in value:
        return np.array(value[TEXTS], dtype=object)
    names = [tuple(one) if isinstance(one, list) else one for one in value[COLUMNS]]
    if names and isinstance(names[0], tuple):
        return pd.MultiIndex.from_tuples(names, names=value["names"])
    return pd.Index(names, name=value["names"][0])
