"""Tensors in pickles: the bytes of their storage go in from where they are, and become the new storage where they are.

Torch itself packs a storage into a buffer, and that into bytes: two more copies of a model. Also, what shares a storage
here still shares it there. Used by the pickler of the notebook's values and by that of results; the functions at the
end are named in what these write, under the name that this module has in the notebook.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any


class Storages:
    """The storages that one pickle holds."""

    def __init__(self, *, bring_home: bool = False) -> None:
        self._bring_home = bring_home
        """Whether what lies on another device becomes an ordinary tensor."""
        self._seen: dict[int, Any] = {}
        """One object for every storage, also to keep it alive as long as its address is in use."""

    def reduce(self, obj: Any) -> Any:
        """Return how `obj` is to be pickled if it is a storage that lies in memory, else `NotImplemented`."""
        torch = sys.modules.get("torch")
        if torch is not None and type(obj) is torch.Tensor:
            return _readable(*obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL))
        if torch is None or not isinstance(obj, (torch.UntypedStorage, torch.storage.TypedStorage)):
            return NotImplemented
        untyped = obj if isinstance(obj, torch.UntypedStorage) else obj._untyped_storage  # noqa: SLF001 - no public name
        if not (untyped.device.type == "cpu" or (self._bring_home and untyped.device.type != "meta")):
            return NotImplemented
        if untyped is not obj:
            return typed, (self._seen.setdefault(untyped._cdata, untyped), obj.dtype)  # noqa: SLF001
        self._seen.setdefault(obj._cdata, obj)  # noqa: SLF001
        here = obj if obj.device.type == "cpu" else obj.cpu()
        self._seen.setdefault(here._cdata, here)  # noqa: SLF001
        size = here.nbytes()
        if not size:
            return untyped_storage, (b"",)
        import ctypes  # Late: most ranks send back no tensors.

        return untyped_storage, (pickle.PickleBuffer((ctypes.c_char * size).from_address(here.data_ptr())),)


def _readable(make: Any, arguments: tuple[Any, ...], *rest: Any) -> tuple[Any, ...]:
    """Return how a tensor is pickled. Those of newer types, such as float8, torch writes but does not read."""
    if make.__name__ == "_rebuild_tensor_v3":
        import torch

        arguments = typed(arguments[0], torch.uint8), *arguments[1:]
    return make, arguments, *rest


def untyped_storage(data: Any) -> Any:
    """Return the storage that `data` is; it lives on in it."""
    import torch

    return torch.frombuffer(data, dtype=torch.uint8).untyped_storage() if data else torch.UntypedStorage(0)


def typed(storage: Any, dtype: Any) -> Any:
    """Return a storage with its type."""
    import torch

    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


# In a pod this module has another name, but whoever reads knows it by this one.
untyped_storage.__module__ = typed.__module__ = "jupyter_trainjob.worker.tensors"
