"""Refuse values that would silently arrive as something else, with a remedy."""

from __future__ import annotations

import io
import pickle
import sys
import weakref
from typing import Any, Final

_IN_MEMORY: Final = (io.StringIO, io.BytesIO)


class RefusedValue(TypeError):
    """A value that cannot be sent; `remedy` contains ``{code}`` for the cell or function that is sent."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def refuse_unfaithful(obj: Any) -> None:
    """Raise for a value that pickle and cloudpickle would change silently."""
    if isinstance(obj, io.IOBase):
        _check_file(obj)
    elif isinstance(obj, weakref.finalize):
        _check_finalizer(obj)
    elif (ctypes := sys.modules.get("ctypes")) is not None and isinstance(obj, getattr(ctypes, "CDLL", ())):
        raise RefusedValue(
            "a library that is loaded into this process", "Load it inside {code}, as by ctypes.CDLL('libm.so.6')."
        )


def _check_file(obj: Any) -> None:
    if type(obj) not in _IN_MEMORY:
        raise pickle.PicklingError(f"an open file cannot be sent: {getattr(obj, 'name', type(obj).__qualname__)}")


def _check_finalizer(finalizer: weakref.finalize[Any, Any]) -> None:
    watched = finalizer.peek()
    if watched is None:
        return
    target, call, *_ = watched
    packages = {str(module).partition(".")[0] for module in (type(target).__module__, getattr(call, "__module__", ""))}
    # Finalizers of libraries, such as that of TemporaryDirectory, concern this process only.
    if len(packages) > 1 or not packages.isdisjoint({"__main__", "builtins"}):
        raise RefusedValue("it calls its function when an object of this process goes", "Make it inside {code}.")
