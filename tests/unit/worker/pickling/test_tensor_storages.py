"""Pickled tensors keep type, layout, gradients and shared memory in both directions."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jupyter_trainjob.bundle.serialization.notebook_pickler import NotebookPickler
from jupyter_trainjob.client.results import result_reader
from jupyter_trainjob.worker.results import rank_results
from tests.unit.worker.conftest import KEY


def captured(value: Any) -> Any:
    stream = io.BytesIO()
    pickler = NotebookPickler(stream, {})
    pickler.expect([value])
    pickler.dump(value)
    return pickle.loads(stream.getvalue())


def sent_back(value: Any) -> Any:
    return result_reader.load_result(rank_results.dump_result(value, {}, key=KEY).body, key=KEY).value


WAYS = {"to the job": captured, "home": sent_back}
TENSORS: dict[str, Callable[[], torch.Tensor]] = {
    "of floats": lambda: torch.arange(6.0).reshape(2, 3),
    "of bfloat16": lambda: torch.arange(6.0).bfloat16(),
    "of booleans": lambda: torch.tensor([True, False]),
    "of complex numbers": lambda: torch.tensor([1 + 2j]),
    "of float8": lambda: torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn),
    "empty": lambda: torch.empty(0, 3),
    "a scalar": lambda: torch.tensor(7),
    "transposed": lambda: torch.arange(6).reshape(2, 3).t(),
    "every second": lambda: torch.arange(10)[1::2],
    "sparse": lambda: torch.eye(3).to_sparse(),
    "a conjugate": lambda: torch.tensor([1 + 2j]).conj(),
    "of NaN and infinities": lambda: torch.tensor([float("nan"), float("-inf")]),
    "with a gradient wanted": lambda: torch.ones(2, requires_grad=True),
    "a parameter": lambda: torch.nn.Parameter(torch.ones(2), requires_grad=False),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("make", TENSORS.values(), ids=TENSORS.keys())
def test_tensor_is_unchanged_after_unpickling(make: Callable[[], torch.Tensor], way: Callable[[Any], Any]) -> None:
    tensor = make()
    result = way(tensor)
    assert type(result) is type(tensor)
    assert (result.dtype, result.shape, result.layout) == (tensor.dtype, tensor.shape, tensor.layout)
    assert result.requires_grad == tensor.requires_grad
    if tensor.layout is torch.strided:
        assert result.stride() == tensor.stride()
    a, b = (
        each_tensor.detach().to_dense() if each_tensor.is_sparse else each_tensor.detach()
        for each_tensor in (result, tensor)
    )
    assert torch.equal(torch.nan_to_num(a.to(torch.complex64)), torch.nan_to_num(b.to(torch.complex64)))


def of_an_array() -> tuple[np.ndarray, torch.Tensor]:
    array = np.arange(6.0).reshape(2, 3)
    return array, torch.from_numpy(array)


def of_a_tensor() -> tuple[np.ndarray, torch.Tensor]:
    tensor = torch.arange(6.0).reshape(2, 3).t()
    return tensor.numpy()[1:], tensor[1:]


def the_other_way() -> tuple[np.ndarray, torch.Tensor]:
    tensor = torch.nn.Parameter(torch.ones(2, 2))
    array = tensor.detach().numpy()[:, 1]
    return array, tensor.detach()[:, 1]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("make", [of_an_array, of_a_tensor, the_other_way])
def test_array_and_tensor_keep_sharing_memory(
    make: Callable[[], tuple[np.ndarray, torch.Tensor]], turned: bool, way: Callable[[Any], Any]
) -> None:
    one, other = make()
    array, tensor = reversed(way([other, one])) if turned else way([one, other])
    assert type(array) is np.ndarray
    assert (array.dtype, array.shape, array.strides) == (one.dtype, one.shape, one.strides)
    assert np.array_equal(array, one)
    tensor += 1
    assert np.array_equal(array, one + 1)
    array -= 2
    assert torch.equal(tensor, other - 1)


def test_array_next_to_a_tensor_is_unpickled_without_torch() -> None:
    other = torch.ones(3)
    value = np.array([1.0]), other[0:0].numpy()
    stream = io.BytesIO()
    pickler = NotebookPickler(stream, {})
    pickler.expect([value, other])
    pickler.dump(value)
    assert b"torch" not in stream.getvalue()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_tensors_keep_sharing_memory(way: Callable[[Any], Any]) -> None:
    whole = torch.zeros(4)
    first, part, same = way([whole, whole[1:], whole])
    assert same is first
    part += 1
    assert first.tolist() == [0, 1, 1, 1]
    first[1] = 7
    assert part[0] == 7


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_tied_weights_stay_tied_and_can_be_trained(way: Callable[[Any], Any]) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    optimizer = torch.optim.Adam(model.parameters())
    model, optimizer = way((model, optimizer))
    assert model[1].weight is model[0].weight
    assert optimizer.param_groups[0]["params"][0] is model[0].weight
    before = model[0].weight.detach().clone()
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(model[0].weight, before)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_storages_are_pickled(way: Callable[[Any], Any]) -> None:
    tensor = torch.arange(3, dtype=torch.uint8)
    storage, result = way((tensor.untyped_storage(), tensor))
    assert list(storage) == [0, 1, 2]
    assert result.untyped_storage().data_ptr() == storage.data_ptr()


def test_tensors_are_unpickled_before_torch_is_imported(tmp_path: Path) -> None:
    stream = io.BytesIO()
    NotebookPickler(stream, {}).dump(torch.arange(3))
    (tmp_path / "pickle").write_bytes(stream.getvalue())
    program = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).sum())"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "pickle")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "tensor(3)\n"
