"""Reducers for values that pickle and cloudpickle would change, cut or refuse, in both directions.

Both picklers, `bundle.serialization.notebook_pickler` and that of `results.rank_results`, use these before
cloudpickle's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import refused_values, stdlib_reducers
from .array_views import ArrayReducer
from .instance_reducers import InstanceReducer
from .tensor_storages import TensorReducer


class Reducers:
    """The reducers of one pickle."""

    def __init__(self, *, any_device: bool = False, chained: bool = True) -> None:
        """Reduce tensors on `any_device`, or refuse those not in main memory; exceptions with causes if `chained`."""
        self._arrays = ArrayReducer()
        self._reducers = (
            TensorReducer(any_device=any_device).reduce,
            self._arrays.reduce,
            stdlib_reducers.reduce_value,
            InstanceReducer().reduce,
            *([stdlib_reducers.reduce_chained_exception] if chained else []),
        )

    def expect(self, values: Iterable[Any]) -> None:
        """Register the values that are going to be pickled."""
        self._arrays.expect(values)

    def reduce(self, obj: Any) -> Any:
        """Return the reduction of `obj`; `NotImplemented` if cloudpickle's is right.

        Raises `refused_values.RefusedValue` for a value that would change.
        """
        stream = stdlib_reducers.reduce_stream(obj)
        if stream is not NotImplemented:
            return stream
        refused_values.refuse_unfaithful(obj)
        for reducer in self._reducers:
            reduced = reducer(obj)
            if reduced is not NotImplemented:
                return reduced
        return NotImplemented
