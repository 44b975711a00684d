"""The parts of a pickle that are PyTorch's, read by functions that look at them first.

Numbers are read by ``torch.load(weights_only=True)`` alone, where a pickle of PyTorch asks for a function that would
unpickle anything. What a module holds is looked at when all of it is there: a module calls what it holds.
"""

from __future__ import annotations

import importlib
import io
import pickle
import sys
import weakref
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sized
from types import ModuleType
from typing import cast

from rollq.tasks.errors import BadInput
from rollq.workers.qlib.pickle_classes import FIX, FUNCTIONS

HOOKS = "_hooks"  # the end of the names under which a module keeps what it calls before and after itself
PLAIN = (type(None), bool, int, float, str)
CONTAINERS = (list, tuple, set, frozenset)
MAPPINGS = (dict, OrderedDict)


def storage(content: bytes) -> object:
    """The numbers of a tensor, in place of ``torch.storage._load_from_bytes``.

    Raises:
        BadInput: the content holds anything else.
    """
    torch = _torch()
    try:
        found = torch.load(io.BytesIO(content), map_location=_place(), weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadInput(
            "The pickle holds a storage of torch with more than numbers, which is not allowed.", FIX
        ) from error
    if type(found) is not torch.storage.TypedStorage:
        raise BadInput(f"The pickle holds a {type(found).__name__} as a storage of torch, which is not allowed.", FIX)
    return found


def tensor(numbers: object, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *more: object) -> object:
    """A view of a storage that lies inside of it: PyTorch would make the storage larger, with whatever lies there.

    Raises:
        BadInput: it does not, or hooks stand with it.
    """
    torch = _torch()
    requires_grad, *hooks = more
    if type(numbers) is not torch.storage.TypedStorage or any(hooks):
        raise BadInput("The pickle makes a tensor of something else than numbers, which is not allowed.", FIX)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if min(offset, *size, *stride, 0) < 0 or (0 not in size and last >= len(cast(Sized, numbers))):
        raise BadInput("The pickle makes a tensor that is larger than its numbers, which is not allowed.", FIX)
    return torch._utils._rebuild_tensor_v2(numbers, offset, size, stride, bool(requires_grad), OrderedDict())


def parameter(data: object, requires_grad: object, hooks: object) -> object:
    """A parameter of a module.

    Raises:
        BadInput: it is made of something else than a tensor, or hooks stand with it.
    """
    torch = _torch()
    if type(data) is not torch.Tensor or hooks:
        raise BadInput("The pickle makes a parameter of something else than a tensor, which is not allowed.", FIX)
    return torch.nn.Parameter(data, bool(requires_grad))


def device(kind: str, index: int | None = None) -> object:
    """Where a model computes: on the processor where there is no such device, as Qlib does when it makes one."""
    torch = _torch()
    return torch.device("cpu") if _place() else torch.device(kind, index)


def check_modules(built: Iterable[object], more: Collection[str] = ()) -> None:
    """Look at the modules among what a pickle has filled in.

    Args:
        built: all of that.
        more: further classes that a module may hold, as ``module:Class``.

    Raises:
        BadInput: one holds something that it could call, and that is no part of a network.
    """
    torch = sys.modules.get("torch")
    modules = [one for one in built if torch is not None and isinstance(one, torch.nn.Module)]
    for module in modules:
        for name, value in vars(module).items():
            _check_part(module, name, value, more)


def _check_part(module: object, name: str, value: object, more: Collection[str]) -> None:
    """Of a module: that a part of it is what such a part may be, at whatever depth."""
    if type(value) in CONTAINERS:
        parts = cast(Collection[object], value)
    elif type(value) in MAPPINGS:
        parts = cast(Mapping[object, object], value).values()
    else:
        kind = value if isinstance(value, type) else type(value)
        own = kind is not value and f"{kind.__module__}:{kind.__qualname__}" in more
        if not own and not _is_part(value, hook=name.endswith(HOOKS)):
            raise BadInput(
                f"The pickle holds a {type(module).__name__} with {name}: {kind.__name__}, which is not allowed.", FIX
            )
        return
    for part in parts:
        _check_part(module, name, part, more)


def _is_part(value: object, *, hook: bool) -> bool:
    torch = _torch()
    from torch.nn.utils.weight_norm import WeightNorm

    if hook:  # a weight that is split into direction and length is put together before each call
        return type(value) is WeightNorm
    known = (*PLAIN, torch.Tensor, torch.nn.Parameter, torch.Size, torch.device, torch.dtype, weakref.ReferenceType)
    if type(value) in known or isinstance(value, torch.nn.Module):
        return True
    return any(value is getattr(torch.nn.functional, name) for name in FUNCTIONS)


def _place() -> str | None:
    """Where numbers are put: where they were, or on the processor if there is nothing else."""
    return None if _torch().cuda.is_available() else "cpu"


def _torch() -> ModuleType:
    return importlib.import_module("torch")
