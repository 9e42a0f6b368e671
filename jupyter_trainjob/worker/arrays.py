"""Views of arrays in pickles: what is a view of another array here is one there, so that both see what is written.

NumPy pickles each view as an array of its own. A view travels as one only where the array behind it travels anyway, or
is no larger: ten rows of a gigabyte are still ten rows.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any


class Arrays:
    """The arrays that one pickle holds."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}
        """Those that own their data, also to keep them alive as long as their address is in use."""

    def expect(self, values: Iterable[Any]) -> None:
        """Be told what is going to be pickled: the array behind two of its views travels."""
        arrays = {id(each): each for value in values for each in _arrays(value)}
        owners = {id(each): _owner(each) for each in arrays.values()}
        count = Counter(id(owner) for owner in owners.values())
        self._seen |= {id(owner): owner for owner in owners.values() if count[id(owner)] > 1}

    def reduce(self, obj: Any) -> Any:
        """Return how `obj` is to be pickled if it is a view of an array that is pickled too, else `NotImplemented`."""
        numpy = sys.modules.get("numpy")
        if numpy is None or type(obj) is not getattr(numpy, "ndarray", None) or obj.dtype.hasobject:
            return NotImplemented
        owner = _owner(obj)
        if owner is obj:
            self._seen[id(obj)] = obj
        elif _is_plain(owner) and (id(owner) in self._seen or owner.nbytes <= obj.nbytes):
            self._seen[id(owner)] = owner
            offset = obj.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
            return view, (owner, obj.shape, obj.dtype, offset, obj.strides, obj.flags.writeable)
        return NotImplemented


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


view.__module__ = "jupyter_trainjob.worker.arrays"
