"""Tensors travel both ways as they are: type, layout, gradients, and what shares memory."""

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

from jupyter_trainjob.bundle.pickling import NotebookPickler
from jupyter_trainjob.client import returned
from jupyter_trainjob.worker import results
from tests.unit.worker.conftest import KEY


def captured(value: Any) -> Any:
    stream = io.BytesIO()
    pickler = NotebookPickler(stream, {})
    pickler.expect([value])
    pickler.dump(value)
    return pickle.loads(stream.getvalue())


def sent_back(value: Any) -> Any:
    return returned.load(results.dump(value, {}, key=KEY), key=KEY)[0]


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
def test_a_tensor_arrives_as_it_is(make: Callable[[], torch.Tensor], way: Callable[[Any], Any]) -> None:
    tensor = make()
    there = way(tensor)
    assert type(there) is type(tensor)
    assert (there.dtype, there.shape, there.layout) == (tensor.dtype, tensor.shape, tensor.layout)
    assert there.requires_grad == tensor.requires_grad
    if tensor.layout is torch.strided:
        assert there.stride() == tensor.stride()
    a, b = (each.detach().to_dense() if each.is_sparse else each.detach() for each in (there, tensor))
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
def test_an_array_and_a_tensor_in_one_memory_stay_in_one(
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


def test_an_array_beside_a_tensor_needs_no_torch_there() -> None:
    kept = torch.ones(3)
    value = np.array([1.0]), kept[0:0].numpy()
    stream = io.BytesIO()
    pickler = NotebookPickler(stream, {})
    pickler.expect([value, kept])
    pickler.dump(value)
    assert b"torch" not in stream.getvalue()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_what_shares_memory_still_does(way: Callable[[Any], Any]) -> None:
    whole = torch.zeros(4)
    there, part, same = way([whole, whole[1:], whole])
    assert same is there
    part += 1
    assert there.tolist() == [0, 1, 1, 1]
    there[1] = 7
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
def test_storages_themselves_arrive(way: Callable[[Any], Any]) -> None:
    tensor = torch.arange(3, dtype=torch.uint8)
    storage, there = way((tensor.untyped_storage(), tensor))
    assert list(storage) == [0, 1, 2]
    assert there.untyped_storage().data_ptr() == storage.data_ptr()


def test_they_are_read_where_torch_was_not_imported_yet(tmp_path: Path) -> None:
    stream = io.BytesIO()
    NotebookPickler(stream, {}).dump(torch.arange(3))
    (tmp_path / "pickle").write_bytes(stream.getvalue())
    program = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).sum())"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "pickle")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "tensor(3)\n"
