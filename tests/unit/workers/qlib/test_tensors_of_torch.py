"""The gate before PyTorch's pickles, with the real PyTorch: `make qlib-torch` runs it, the other tests do without."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest

from rollq.tasks.errors import BadInput
from rollq.workers.qlib.pickles import dump, load
from tests.unit.workers.qlib.test_tensors import Commands, _storage_of


@pytest.mark.parametrize("whole", [True, False])
def test_the_real_torch_refuses_a_hostile_storage(tmp_path: Path, whole: bool) -> None:
    """In both of its forms, and as a bare pickle."""
    import io

    import torch

    hostile = Commands(tmp_path / "run")
    content = io.BytesIO()
    torch.save(hostile, content, _use_new_zipfile_serialization=whole)
    for found in (content.getvalue(), pickle.dumps(hostile)):
        with pytest.raises(BadInput, match="more than numbers"):
            load(_storage_of(found))
    assert not (tmp_path / "run").exists()


def test_a_network_comes_back() -> None:
    import torch

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Qlib's convolutional networks use the old form
        first = torch.nn.utils.weight_norm(torch.nn.Linear(3, 4))
    network = torch.nn.Sequential(first, torch.nn.LSTM(4, 2))
    read: Any = load(dump(network))
    given = torch.ones(5, 3)
    assert torch.equal(read(given)[0], network(given)[0])


def test_a_network_that_a_gpu_has_trained_is_read_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Onto the processor, and so is what says where it computes."""
    import torch

    network = torch.nn.Linear(2, 1)
    network.place = torch.device("cuda", 0)
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
    content = pickle.dumps(network, protocol=4)
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    read: Any = load(content)
    assert read.weight.device.type == read.place.type == "cpu"
    assert torch.equal(read.weight, network.weight)


def test_hooks_and_methods_of_a_network_are_refused() -> None:
    """What would be called instead of the network, or beside it."""
    import torch
    from qlib.data.dataset import DatasetH

    hooked = torch.nn.Linear(1, 1)
    hooked.register_forward_hook(DatasetH)
    replaced: Any = torch.nn.Linear(1, 1)
    replaced.forward = DatasetH
    chained: Any = torch.nn.Sequential(torch.nn.Linear(1, 1))
    chained._modules["1"] = DatasetH
    for network in (hooked, replaced, chained):
        with pytest.raises(BadInput, match="DatasetH, which is not allowed"):
            load(pickle.dumps(network, protocol=4))
