"""Pickle views of arrays as views, so that they share memory with their base in the job too.

NumPy pickles each view as an array of its own. Here a view is pickled as a view if its base is pickled anyway, or is
not larger: ten rows of a gigabyte stay ten rows. This concerns arrays that are values or elements of containers, not
those inside of pandas' data frames. An array in the memory of a pickled tensor, as of ``torch.from_numpy(array)``,
shares its memory in the job, too.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from . import tensor_storages


class ArrayReducer:
    """Reduces arrays of one pickle that are views."""

    def __init__(self) -> None:
        self._plain: dict[int, Any] = {}
        """Announced arrays, kept alive while their ids are in use."""
        self._owners: dict[int, Any] = {}
        """Pickled arrays that own their data."""
        self._storages: list[tuple[int, int, Any]] = []
        """Start address, end address and storage of pickled tensors, in ascending order; kept alive."""

    def expect(self, values: Iterable[Any]) -> None:
        """Register the values that are going to be pickled; bases of overlapping views are pickled as well."""
        values = [*values]
        arrays = {id(item): item for value in values for item in _iter_arrays(value)}
        if arrays:
            storages = {item.data_ptr(): item for value in values for item in tensor_storages.iter_storages(value)}
            self._storages = [(start, start + storages[start].nbytes(), storages[start]) for start in sorted(storages)]
        self._plain |= arrays
        views: dict[int, list[Any]] = {}
        for item in arrays.values():
            views.setdefault(id(_owner(item)), []).append(item)
        self._owners |= {key: _owner(some[0]) for key, some in views.items() if _overlap(some)}

    def reduce(self, obj: Any) -> Any:
        """Return the reduction of `obj` if it is a view of a pickled array, else `NotImplemented`."""
        if id(obj) not in self._plain or obj.dtype.hasobject:
            return NotImplemented
        in_tensor = self._in_tensor(obj)
        if in_tensor is not None:
            return in_tensor
        owner = _owner(obj)
        if owner is obj or not _is_plain(owner) or not (id(owner) in self._owners or owner.nbytes <= obj.nbytes):
            return NotImplemented
        self._owners[id(owner)] = owner
        offset = obj.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        return make_view, (owner, obj.shape, obj.dtype, offset, obj.strides, obj.flags.writeable)

    def _in_tensor(self, array: Any) -> Any:
        """Return the reduction of an array in the memory of a pickled tensor, else None."""
        if not self._storages or not array.size:
            return None
        begin, end = _bounds(array)
        at = bisect.bisect_right(self._storages, begin, key=lambda entry: entry[0]) - 1
        if at < 0 or end > self._storages[at][1]:
            return None
        start, _, storage = self._storages[at]
        offset = array.__array_interface__["data"][0] - start
        return array_in_tensor, (storage, array.shape, array.dtype, offset, array.strides, array.flags.writeable)


def array_in_tensor(storage: Any, *layout: Any) -> Any:
    """Return an array in the memory of a tensor."""
    import torch

    return make_view(torch.empty(0, dtype=torch.uint8).set_(storage).numpy(), *layout)


def make_view(owner: Any, *layout: Any) -> Any:
    """Return a view of an array."""
    import numpy as np

    shape, dtype, offset, strides, writeable = layout
    flat = owner if owner.flags.c_contiguous else owner.T
    array = np.ndarray(shape, dtype, buffer=flat, offset=offset, strides=strides)
    array.flags.writeable = writeable and array.flags.writeable
    return array


def _is_plain(array: Any) -> bool:
    """Whether an array's bytes are contiguous."""
    return bool(array.size and not array.dtype.hasobject and (array.flags.c_contiguous or array.flags.f_contiguous))


def _owner(array: Any) -> Any:
    kind = type(array)
    while type(array.base) is kind:
        array = array.base
    return array


def _overlap(arrays: list[Any]) -> bool:
    """Whether two of the arrays may overlap; parts of a split array do not."""
    reach = sorted(map(_bounds, filter(lambda array: array.size, arrays)))
    return any(begin < end for (_, end), (begin, _) in pairwise(reach))


def _bounds(array: Any) -> tuple[int, int]:
    """Return the start and end address of an array."""
    ways = [(length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True)]
    start = array.__array_interface__["data"][0]
    return start + sum(min(way, 0) for way in ways), start + sum(max(way, 0) for way in ways) + array.itemsize


def _iter_arrays(value: Any, depth: int = 2) -> Iterator[Any]:
    """Yield the arrays among a value and what it contains."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return
    if type(value) is numpy.ndarray:
        yield value
    elif depth and isinstance(value, (list, tuple, dict)):
        for item in list(value.values() if isinstance(value, dict) else value)[:1000]:
            yield from _iter_arrays(item, depth - 1)


for _function in (make_view, array_in_tensor):
    _function.__module__ = "jupyter_trainjob.worker.pickling.array_views"
