"""Views of arrays in pickles: what is a view of another array here is one there, so that both see what is written.

NumPy pickles each view as an array of its own. A view travels as one only where the array behind it travels anyway, or
is no larger: ten rows of a gigabyte are still ten rows. This is about arrays that stand in values themselves or in
containers; those inside of frames share memory for reasons that pandas keeps to itself. An array that lies in the
memory of a tensor that travels, as of ``torch.from_numpy(array)``, lies in it there as well.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from . import tensors


class Arrays:
    """The arrays that one pickle holds."""

    def __init__(self) -> None:
        self._plain: dict[int, Any] = {}
        """Those that are somebody's values, also to keep them alive as long as their address is in use."""
        self._owners: dict[int, Any] = {}
        """Those that own their data and travel."""
        self._storages: list[tuple[int, int, Any]] = []
        """Of tensors that travel: from which address to which, in order; kept alive, for each is one object then."""

    def expect(self, values: Iterable[Any]) -> None:
        """Be told what is going to be pickled: the array behind two that overlap travels."""
        values = [*values]
        found = {id(each): each for value in values for each in _arrays(value)}
        if found:
            storages = {each.data_ptr(): each for value in values for each in tensors.storages(value)}
            self._storages = [(start, start + storages[start].nbytes(), storages[start]) for start in sorted(storages)]
        self._plain |= found
        views: dict[int, list[Any]] = {}
        for each in found.values():
            views.setdefault(id(_owner(each)), []).append(each)
        self._owners |= {key: _owner(some[0]) for key, some in views.items() if _overlap(some)}

    def reduce(self, obj: Any) -> Any:
        """Return how `obj` is to be pickled if it is a view of an array that is pickled too, else `NotImplemented`."""
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
        return view, (owner, obj.shape, obj.dtype, offset, obj.strides, obj.flags.writeable)

    def _in_tensor(self, array: Any) -> Any:
        """Return how an array is pickled that lies in the memory of a tensor, else None."""
        if not self._storages or not array.size:
            return None
        begin, end = _bounds(array)
        at = bisect.bisect_right(self._storages, begin, key=lambda each: each[0]) - 1
        if at < 0 or end > self._storages[at][1]:
            return None
        start, _, storage = self._storages[at]
        offset = array.__array_interface__["data"][0] - start
        return in_tensor, (storage, array.shape, array.dtype, offset, array.strides, array.flags.writeable)


def in_tensor(storage: Any, *place: Any) -> Any:
    """Return an array in the memory of a tensor."""
    import torch

    return view(torch.empty(0, dtype=torch.uint8).set_(storage).numpy(), *place)


def view(owner: Any, *place: Any) -> Any:
    """Return a view of an array."""
    import numpy as np

    shape, dtype, offset, strides, writeable = place
    flat = owner if owner.flags.c_contiguous else owner.T
    made = np.ndarray(shape, dtype, buffer=flat, offset=offset, strides=strides)
    made.flags.writeable = writeable and made.flags.writeable
    return made


def _is_plain(array: Any) -> bool:
    """Whether its bytes lie in one piece."""
    return bool(array.size and not array.dtype.hasobject and (array.flags.c_contiguous or array.flags.f_contiguous))


def _owner(array: Any) -> Any:
    kind = type(array)
    while type(array.base) is kind:
        array = array.base
    return array


def _overlap(arrays: list[Any]) -> bool:
    """Whether two of some arrays may reach the same bytes; parts of a whole that was split do not."""
    reach = sorted(map(_bounds, filter(lambda array: array.size, arrays)))
    return any(begin < end for (_, end), (begin, _) in pairwise(reach))


def _bounds(array: Any) -> tuple[int, int]:
    """Return the addresses between which an array lies."""
    ways = [(length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True)]
    start = array.__array_interface__["data"][0]
    return start + sum(min(way, 0) for way in ways), start + sum(max(way, 0) for way in ways) + array.itemsize


def _arrays(value: Any, depth: int = 2) -> Iterator[Any]:
    """Yield the arrays among a value and what it contains."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return
    if type(value) is numpy.ndarray:
        yield value
    elif depth and isinstance(value, (list, tuple, dict)):
        for each in list(value.values() if isinstance(value, dict) else value)[:1000]:
            yield from _arrays(each, depth - 1)


for _each in (view, in_tensor):
    _each.__module__ = "jupyter_trainjob.worker.arrays"
