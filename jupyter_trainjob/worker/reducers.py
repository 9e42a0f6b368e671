"""How values are pickled that pickle and cloudpickle would change, cut or refuse: for what goes to a job, and back.

Both picklers ask here first, then cloudpickle: `bundle.pickling` on the way there, `results` on the way back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import rebuilt
from .arrays import Arrays
from .instances import Instances
from .tensors import Storages


class Reducers:
    """Those of one pickle."""

    def __init__(self, *, bring_home: bool = False) -> None:
        """Take tensors from other devices too, if they are to `bring_home`."""
        self._arrays = Arrays()
        self._ways = (Storages(bring_home=bring_home).reduce, self._arrays.reduce, rebuilt.reduced, Instances().reduce)

    def expect(self, values: Iterable[Any]) -> None:
        """Be told what is going to be pickled."""
        self._arrays.expect(values)

    def reduce(self, obj: Any) -> Any:
        """Return how `obj` is pickled; `NotImplemented` where it is left to cloudpickle. PicklingError for files."""
        rebuilt.refuse_files(obj)
        for way in self._ways:
            reduced = way(obj)
            if reduced is not NotImplemented:
                return reduced
        return NotImplemented
