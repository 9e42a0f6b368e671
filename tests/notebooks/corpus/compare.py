"""Compare two values by type, content and shared references; runs in the kernel."""

from __future__ import annotations

import dataclasses
import enum
import math
import sys
import types
from collections.abc import Collection
from typing import Any

_ATOMS = (type(None), bool, int, str, bytes, complex, range, slice, type(...), type(NotImplemented))


def difference(ours: Any, theirs: Any, *, created: Collection[str] = ()) -> str:
    """Return where two values differ, empty if they do not; `made` are classes that each cell defined itself."""
    return _Comparison(frozenset(created)).of(ours, theirs, "value")


class _Comparison:
    def __init__(self, created: frozenset[str]) -> None:
        self._made = created
        self._pairs: dict[int, int] = {}
        self._kept: list[Any] = []

    def of(self, a: Any, b: Any, path: str) -> str:
        if type(a) is not type(b) and not (
            type(a).__qualname__ == type(b).__qualname__ and type(a).__name__ in self._made
        ):
            return f"{path}: {_kind(a)} here, {_kind(b)} there"
        if isinstance(a, (type, enum.Enum, types.ModuleType, types.BuiltinFunctionType)):
            return "" if a is b or a == b else f"{path}: {a!r} is not {b!r}"
        if type(a) in _ATOMS:
            return "" if a == b else f"{path}: {a!r} here, {b!r} there"
        if isinstance(a, float):
            same = a == b or (math.isnan(a) and math.isnan(b))
            return "" if same else f"{path}: {a!r} here, {b!r} there"
        # What is one object here must be one object there.
        if id(a) in self._pairs:
            return "" if self._pairs[id(a)] == id(b) else f"{path}: shared here, not there"
        if id(b) in self._pairs.values():
            return f"{path}: shared there, not here"
        self._pairs[id(a)] = id(b)
        self._kept += [a, b]
        return self._content(a, b, path)

    def _content(self, a: Any, b: Any, path: str) -> str:
        library = self._of_a_library(a, b, path)
        if library is not None:
            return library
        if isinstance(a, types.FunctionType):
            return "" if a.__code__.co_code == b.__code__.co_code else f"{path}: other code"
        if isinstance(a, dict):
            return self._of_dicts(a, b, path)
        if isinstance(a, (list, tuple)):
            return self._of_rows([*a], [*b], path) or self._of_state(a, b, path)
        if isinstance(a, (set, frozenset)):
            same = a == b or (len(a) == len(b) and sorted(map(repr, a)) == sorted(map(repr, b)))
            return (self._of_state(a, b, path)) if same else f"{path}: {a!r}, {b!r}"
        if isinstance(a, BaseException):
            return self.of(a.args, b.args, f"{path}.args") or self._of_state(a, b, path)
        return self._of_objects(a, b, path)

    def _of_a_library(self, a: Any, b: Any, path: str) -> str | None:
        np, torch, pd = (sys.modules.get(name) for name in ("numpy", "torch", "pandas"))
        same: Any = None
        if np is not None and isinstance(a, np.ma.MaskedArray):
            same = a.dtype == b.dtype and np.ma.allequal(a, b) and bool((a.mask == b.mask).all())
        elif np is not None and isinstance(a, (np.ndarray, np.generic)):
            numeric = np.asarray(a).dtype.kind in "fc"
            same = a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=numeric))
        elif torch is not None and isinstance(a, torch.Tensor):
            same = a.dtype == b.dtype and a.shape == b.shape and a.requires_grad == b.requires_grad
            same = same and torch.equal(a.detach(), b.detach())
            if same and a.is_leaf and b.is_leaf:
                return self.of(a.grad, b.grad, f"{path}.grad")
        elif torch is not None and isinstance(a, torch.nn.Module):
            return self.of(_module(a), _module(b), path)
        elif pd is not None and isinstance(a, (pd.DataFrame, pd.Series, pd.Index)):
            same = bool(a.equals(b))
        if same is None:
            return None
        return "" if same else f"{path}: {a!r} here, {b!r} there"

    def _of_dicts(self, a: dict[Any, Any], b: dict[Any, Any], path: str) -> str:
        if len(a) != len(b):
            return f"{path}: {len(a)} entries here, {len(b)} there"
        for (key, value), (other, theirs) in zip(a.items(), b.items()):  # noqa: B905 - as long
            difference = self.of(key, other, f"{path} (a key)") or self.of(value, theirs, f"{path}[{key!r}]")
            if difference:
                return difference
        return self._of_state(a, b, path)

    def _of_rows(self, a: list[Any], b: list[Any], path: str) -> str:
        if len(a) != len(b):
            return f"{path}: {len(a)} entries here, {len(b)} there"
        return next(filter(None, (self.of(x, y, f"{path}[{i}]") for i, (x, y) in enumerate(zip(a, b)))), "")  # noqa: B905

    def _of_objects(self, a: Any, b: Any, path: str) -> str:
        if dataclasses.is_dataclass(a) or hasattr(a, "__dict__") or _slots(a):
            return self._of_state(a, b, path)
        if a == b or repr(a) == repr(b):
            return ""
        try:
            return self.of(a.__reduce_ex__(2)[1:3], b.__reduce_ex__(2)[1:3], path)
        except TypeError:
            return f"{path}: {a!r} here, {b!r} there"

    def _of_state(self, a: Any, b: Any, path: str) -> str:
        mine, other = ({**_slots(obj), **getattr(obj, "__dict__", {})} for obj in (a, b))
        if mine.keys() != other.keys():
            return f"{path}: {sorted(mine)} here, {sorted(other)} there"
        return next(filter(None, (self.of(mine[key], other[key], f"{path}.{key}") for key in mine)), "")


def _module(module: Any) -> dict[str, Any]:
    """Return the state of a torch module, including attributes outside of its state_dict."""
    return {
        "state": dict(module.state_dict(keep_vars=True)),
        "buffers": dict(module.named_buffers()),
        "training": [part.training for part in module.modules()],
        "modules": [(name, type(part).__name__, len(part._forward_hooks)) for name, part in module.named_modules()],
    }


def _slots(value: Any) -> dict[str, Any]:
    names = [
        name
        for cls in type(value).__mro__
        if cls.__module__ == "__main__"
        for name in (
            [cls.__dict__["__slots__"]]
            if isinstance(cls.__dict__.get("__slots__"), str)
            else cls.__dict__.get("__slots__", ())
        )
    ]
    return {name: getattr(value, name) for name in names if name != "__weakref__" and hasattr(value, name)}


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__} {value!r:.80}"
