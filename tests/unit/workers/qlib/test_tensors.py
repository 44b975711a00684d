"""The gate before PyTorch's pickles: numbers come in by one door, and a module holds nothing that is no network."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rollq.tasks.errors import BadInput
from rollq.workers.qlib.pickle_classes import FUNCTIONS
from rollq.workers.qlib.pickles import load
from rollq.workers.qlib.tensors import parameter, tensor


class Commands:
    """Pickled, it is a command of a shell that makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        """What pickle asks."""
        return os.system, (f"touch {self.file}",)


class Network:
    """As torch has them: modules."""

    layers: object


class Storage(list[float]):
    """As torch has them: numbers."""


def _called(module: str, name: str, content: bytes) -> bytes:
    """A pickle that calls a function with some bytes."""
    words = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
    return b"\x80\x04" + words + b"\x93B" + len(content).to_bytes(4, "little") + content + b"\x85R."


def _storage_of(content: bytes) -> bytes:
    return _called("torch.storage", "_load_from_bytes", content)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``torch.load`` has been asked, of a torch that stands in for the real one."""
    found: list[dict[str, Any]] = []

    def reads(file: Any, **options: object) -> object:
        found.append(options)
        if file.read() != b"numbers":
            raise pickle.UnpicklingError("Weights only load failed.")
        return Storage([1.0, 2.0])

    torch: Any = ModuleType("torch")
    torch.load, torch.storage = reads, SimpleNamespace(TypedStorage=Storage)
    torch.cuda = SimpleNamespace(is_available=lambda: False)
    torch.nn = SimpleNamespace(Module=Network, Parameter=None, functional=SimpleNamespace(**dict.fromkeys(FUNCTIONS)))
    torch.Tensor = torch.Size = torch.device = torch.dtype = Storage
    monkeypatch.setitem(sys.modules, "torch", torch)
    return found


def test_a_storage_is_read_as_weights_only(asked: list[dict[str, Any]]) -> None:
    """And onto the processor, where nothing else is there."""
    assert load(_storage_of(b"numbers")) == [1.0, 2.0]
    assert asked == [{"weights_only": True, "map_location": "cpu"}]


def test_a_storage_with_more_than_numbers_is_refused(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    """By its name, and nothing of it is run."""
    hostile = pickle.dumps(Commands(tmp_path / "run"))
    with pytest.raises(BadInput, match="more than numbers"):
        load(_storage_of(hostile))
    assert asked[0]["weights_only"] is True
    assert not (tmp_path / "run").exists()


def test_what_is_no_storage_is_refused(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """``weights_only`` reads other things than storages, too."""
    monkeypatch.setattr(sys.modules["torch"], "load", lambda *_, **__: {"a": 1})
    with pytest.raises(BadInput, match="a dict as a storage"):
        load(_storage_of(b"numbers"))
    assert asked == []


@pytest.mark.parametrize(
    ("name", "module"),
    [("load", "torch"), ("loads", "pickle"), ("TypedStorage", "torch.storage"), ("load", "torch.hub")],
)
def test_other_doors_are_shut(name: str, module: str) -> None:
    with pytest.raises(BadInput, match=f"{module}:{name}"):
        load(_called(module, name, b"numbers"))


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (3,), (1,)), (1, (2,), (1,)), (-1, (1,), (1,)), (0, (2,), (-1,)), (0, (2, 2), (1, 1)), (2, (1,), (1,))],
)
def test_a_tensor_is_no_larger_than_its_numbers(
    asked: list[dict[str, Any]], offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    """PyTorch would make the storage larger, and show what lay in memory there."""
    with pytest.raises(BadInput, match="larger than its numbers"):
        tensor(Storage([1.0, 2.0]), offset, size, stride, False, {})
    assert asked == []


@pytest.mark.usefixtures("asked")
def test_tensors_come_of_storages_and_parameters_of_tensors() -> None:
    with pytest.raises(BadInput, match="something else than numbers"):
        tensor([1.0, 2.0], 0, (2,), (1,), False, {})
    with pytest.raises(BadInput, match="something else than numbers"):
        tensor(Storage([1.0]), 0, (1,), (1,), False, {"hook": print})
    with pytest.raises(BadInput, match="something else than a tensor"):
        parameter([1.0], True, {})


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("value", [dict, [1, {"first": dict}]])
def test_a_module_that_holds_a_class_is_refused(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    """It would call it with what it has computed."""
    weights = ModuleType("torch.nn.utils.weight_norm")
    vars(weights)["WeightNorm"] = Storage
    monkeypatch.setitem(sys.modules, weights.__name__, weights)
    network, own = Network(), (f"{Network.__module__}:Network",)
    network.layers = [1.0, "relu", None]
    read: Any = load(pickle.dumps(network, protocol=4), own)
    assert read.layers == network.layers
    network.layers = value
    with pytest.raises(BadInput, match="a Network with layers: dict"):
        load(pickle.dumps(network, protocol=4), own)
