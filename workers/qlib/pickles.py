"""Reading pickles that Qlib wrote, through a gate: exact names only, and nothing is called that could do harm."""

from __future__ import annotations

import contextlib
import importlib
import io
import pickle
import warnings
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import ClassVar, cast
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.compat import pickle_compat

from rollq.tasks.errors import ArtifactCorrupted, BadInput, PermanentError, RollqError
from rollq.workers.qlib import tensors
from rollq.workers.qlib.pickle_classes import CALLED, FILLED, FIX, MOVED, MOVED_MODULES, Name

PROTOCOL = 4  # Qlib's


def load(content: bytes, more: Collection[str] = ()) -> object:
    """What a pickle holds.

    Args:
        content: the pickle.
        more: further classes that it may hold and call, as ``module:Class`` (the setting ``pickle_classes``).

    Raises:
        BadInput: it holds something that is not allowed, or needs a package that is not installed; both are named.
        ArtifactCorrupted: it is no whole pickle, or of a version that cannot be read any more.
    """
    try:
        with warnings.catch_warnings():  # what libraries say of old forms helps nobody who only reads them
            warnings.simplefilter("ignore")
            gate = _Gate(io.BytesIO(content), more)
            found: object = gate.load()
            tensors.check_modules(gate.built, more)
            return found
    except RollqError:
        raise
    except ImportError as error:
        raise BadInput(f"The pickle needs a package that is missing: {error}.", "Install it, then again.") from error
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ArtifactCorrupted(f"The pickle cannot be read: {why}.", "Restore it, or train again.") from error


def dump(value: object, more: Collection[str] = ()) -> bytes:
    """A pickle that ``load`` can read.

    Raises:
        PermanentError: it cannot be pickled, or holds something that is not allowed.
    """
    try:
        content = pickle.dumps(value, protocol=PROTOCOL)
        # Read through the same gate at once: what could never be loaded fails here, and not when it is to serve.
        load(content, more)
    except (pickle.PickleError, TypeError, AttributeError, BadInput, ArtifactCorrupted) as error:
        why = " ".join(str(error).split())[:200]
        raise PermanentError(f"A {type(value).__name__} of Qlib cannot be kept: {why}", FIX) from error
    return content


class _Gate(pickle._Unpickler):
    """The unpickler in Python: only there each call can be looked at before it is made.

    Names come from ``find_class`` alone. What a pickle may do with them: call those of ``CALLED``, and make an empty
    one of ``FILLED``. Nothing that came from ``find_class`` is itself changed.
    """

    stack: list[object]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: io.BytesIO, more: Collection[str]) -> None:
        super().__init__(file)
        self._more = more
        self._found: dict[int, str] = {}  # what find_class gave, by its id: its name
        self.built: list[object] = []  # what has been filled in
        self._callable: set[int] = {id(_zone)}

    def find_class(self, module: str, name: str) -> object:
        """What has an allowed name.

        Raises:
            BadInput: the name is not allowed.
        """
        asked = MOVED.get((module, name), (MOVED_MODULES.get(module, module), name))
        own = f"{module}:{name}" in self._more
        if not own and not any(asked in names for names in (CALLED, FILLED, GUARDED)):
            raise BadInput(f"The pickle holds {module}:{name}, which is not allowed.", FIX)
        found = GUARDED[asked] if asked in GUARDED else imported(asked)
        self._found[id(found)] = f"{module}:{name}"
        if own or asked not in FILLED:
            self._callable.add(id(found))
        return found

    def load_reduce(self) -> None:
        """Call something: only what may be called."""
        self._check_call(self.stack[-2])
        pickle_compat.Unpickler.load_reduce(self)  # pandas knows how its own older forms are read

    def load_newobj(self) -> None:
        """Make an empty object of a class."""
        self._check_found(self.stack[-2])
        if self.stack[-1] != ():
            self._check_call(self.stack[-2])
        pickle_compat.Unpickler.load_newobj(self)

    def load_newobj_ex(self) -> None:
        """As ``load_newobj``, with keywords."""
        self._check_call(self.stack[-3])
        super_newobj_ex(self)

    def load_build(self) -> None:
        """Fill in the state of an object; a class or a function has none that a pickle may change."""
        if id(self.stack[-2]) in self._found or isinstance(self.stack[-2], type):
            raise BadInput(f"The pickle changes {self._name(self.stack[-2])} itself, which is not allowed.", FIX)
        if isinstance(self.stack[-2], np.dtype):
            _check_dtype(self.stack[-2], self.stack[-1])
        if isinstance(self.stack[-2], np.ndarray) and self.stack[-2].size:
            # numpy would free the memory that other values may look at.
            raise BadInput("The pickle fills in an array twice, which is not allowed.", FIX)
        self.built.append(self.stack[-2])
        super_build(self)

    def refuse(self) -> None:
        """Old forms that make objects by calling their class; Qlib writes none."""
        raise BadInput("The pickle is of an old form (protocol 0 or 1) that is not read.", FIX)

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.INST[0]] = refuse
    dispatch[pickle.OBJ[0]] = refuse

    def _check_call(self, called: object) -> None:
        if id(called) not in self._callable:
            raise BadInput(f"The pickle calls {self._name(called)}, which is not allowed.", FIX)

    def _check_found(self, cls: object) -> None:
        if id(cls) not in self._found:
            raise BadInput(f"The pickle makes a {self._name(cls)}, which is not allowed.", FIX)

    def _name(self, value: object) -> str:
        return self._found.get(id(value), type(value).__name__)


super_newobj_ex: Callable[..., None] = pickle._Unpickler.dispatch[pickle.NEWOBJ_EX[0]]
super_build: Callable[..., None] = pickle._Unpickler.dispatch[pickle.BUILD[0]]


def imported(name: Name) -> object:
    """What has this name, imported. What the module prints meanwhile is dropped: Qlib says what is not installed.

    Raises:
        ImportError: there is no such module, or nothing of this name in it.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        module = importlib.import_module(name[0])
    try:
        found: object = attrgetter(name[1])(module)
    except AttributeError as error:
        raise ImportError(f"{name[0]} has no {name[1]} in the version that is installed") from error
    return found


def _check_dtype(dtype: np.dtype, state: object) -> None:
    """Refuse flags that a dtype does not have: numpy would take the bytes of the pickle for addresses of objects."""
    known = isinstance(state, tuple) and len(state) in (8, 9) and state[2:5] == (None, None, None)
    if not known or cast(tuple[object, ...], state)[7] != dtype.flags:
        raise BadInput(f"The pickle changes the dtype {dtype}, which is not allowed.", FIX)


def _array(data: object) -> pa.Array:
    """An array of Arrow; one whose parts do not fit together would be read beyond its memory, so it is looked at."""
    from pyarrow.lib import _restore_array

    array: pa.Array = _restore_array(data)
    array.validate(full=True)
    return array


def _index(cls: object, parts: dict[str, object]) -> object:
    """An index of pandas: its helper would make anything that a class is named for."""
    from pandas.core.indexes.base import _new_Index

    return _new_Index(_index_class(cls), parts)


def _datetime_index(cls: object, parts: dict[str, object]) -> object:
    from pandas.core.indexes.datetimes import _new_DatetimeIndex

    return _new_DatetimeIndex(_index_class(cls), parts)


def _index_class(cls: object) -> type[pd.Index]:
    if not (isinstance(cls, type) and issubclass(cls, pd.Index)):
        raise BadInput(f"The pickle makes an index of {getattr(cls, '__name__', cls)!r}, which is not allowed.", FIX)
    return cls


def _encoded(text: str, encoding: str) -> bytes:
    """Bytes, as protocol 2 writes them."""
    if encoding != "latin1":
        raise BadInput(f"The pickle encodes text as {encoding!r}, which is not allowed.", FIX)
    return text.encode("latin1")


def _attribute(owner: object, name: str) -> object:
    """The one attribute that pickles of pandas ask for: how a time zone is made again."""
    if owner is not ZoneInfo or name != "_unpickle":
        raise BadInput(f"The pickle calls builtins:getattr for {name!r}, which is not allowed.", FIX)
    return _zone


def _zone(key: str, _: bool) -> ZoneInfo:
    return ZoneInfo(key)


# What would be too much if it were called as it is, and what a pickle gets in its place.
GUARDED: Mapping[Name, Callable[..., object]] = {
    ("pyarrow.lib", "_restore_array"): _array,
    ("pandas.core.indexes.base", "_new_Index"): _index,
    ("pandas.core.indexes.datetimes", "_new_DatetimeIndex"): _datetime_index,
    ("_codecs", "encode"): _encoded,
    ("builtins", "getattr"): _attribute,
    ("torch.storage", "_load_from_bytes"): tensors.storage,
    ("torch._utils", "_rebuild_tensor_v2"): tensors.tensor,
    ("torch._utils", "_rebuild_parameter"): tensors.parameter,
    ("torch", "device"): tensors.device,
}
