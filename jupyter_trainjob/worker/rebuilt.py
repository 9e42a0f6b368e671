"""How some values of Python's own library are made again that their own pickling cannot bring across.

Caches, new types and the like name themselves as if whoever reads could import them, locks lie within some, and a cell
that two closures share became two. `reduced` says how each travels; the functions that make them again are named in
pickles, by the name that this module has in the notebook.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import gc
import io
import pickle
import sys
import types
import typing
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

NAME: Final = "jupyter_trainjob.worker.rebuilt"
DEPTH: Final = 10_000
"""Of recursion while values are pickled; a third of what the stack of a thread has room for."""
_BY_NAME: Final = tuple(
    kind for name in ("NewType", "ParamSpec", "TypeVarTuple") if (kind := getattr(typing, name, None)) is not None
)
_IN_MEMORY: Final = (io.StringIO, io.BytesIO)
_VIEWS: Final[dict[type, Any]] = {type(make({})): make for make in (dict.keys, dict.values, dict.items)}
_KEY: Final = type(functools.cmp_to_key(lambda a, b: 0))  # noqa: ARG005
_WEAK: Final = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)


@contextlib.contextmanager
def deep() -> Iterator[None]:
    """Let a pickler go down deeper than Python's own limit: a list of two thousand links is no mistake."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def refuse_files(obj: Any) -> None:
    """Raise for an open file, which cloudpickle would read and send as a text that only seems to be one."""
    if isinstance(obj, io.IOBase) and type(obj) not in _IN_MEMORY and obj not in (sys.stdout, sys.stderr):
        raise pickle.PicklingError(f"an open file cannot travel: {getattr(obj, 'name', type(obj).__qualname__)}")


def reduced(obj: Any) -> Any:
    """Return how `obj` is pickled; `NotImplemented` for all that pickle and cloudpickle know how to."""
    if isinstance(obj, types.CellType):
        return _of_cell(obj)
    if isinstance(obj, functools._lru_cache_wrapper):  # noqa: SLF001 - it has no other name
        return (cached, (obj.__wrapped__, obj.cache_parameters())) if _is_own(obj) else NotImplemented
    if isinstance(obj, functools.cached_property):
        return cached_property, (obj.func, obj.attrname)
    if isinstance(obj, _BY_NAME) and getattr(obj, "__module__", None) == "__main__":
        return type_by_name, (type(obj).__name__, obj.__name__, getattr(obj, "__supertype__", None))
    return _of_link(obj)


def _of_link(obj: Any) -> Any:
    """Return how is pickled what leads to another value without holding it, or shows it."""
    if type(obj) in _WEAK:
        return type(obj), (list(obj) if isinstance(obj, weakref.WeakSet) else dict(obj),)
    if type(obj) is weakref.ref:
        return reference, (obj(), obj.__callback__)
    if type(obj) is weakref.WeakMethod:
        return weakref.WeakMethod, (obj(),)
    if type(obj) is types.MappingProxyType:
        return _of_view(obj)
    if type(obj) in _VIEWS:
        return _VIEWS[type(obj)], (gc.get_referents(obj)[0],)
    if type(obj) is contextvars.ContextVar:
        return context_variable, _of_variable(obj)
    if type(obj) is _KEY:
        compare, *of = (each for each in gc.get_referents(obj) if each is not _KEY)
        return NotImplemented if of else (functools.cmp_to_key, (compare,))
    return NotImplemented


def with_cells(how: tuple[Any, ...], function: types.FunctionType) -> tuple[Any, ...]:
    """Return how cloudpickle pickles a function, with its own cells in place of new ones: others may share them."""
    if function.__closure__ is None:
        return how
    make, arguments, *rest = how
    return make, (*arguments[:-1], function.__closure__), *rest


def fill(cell: types.CellType, holder: tuple[Any]) -> types.CellType:
    """Give a cell its content, which may lead back to it."""
    cell.cell_contents = holder[0]
    return cell


def cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """Return a function with an empty cache."""
    return functools.lru_cache(**parameters)(function)


def cached_property(function: Callable[[Any], Any], name: str | None) -> Any:
    """Return a cached property with a lock of its own, where it has one."""
    made = functools.cached_property(function)
    if name is not None:
        made.__set_name__(object, name)
    return made


def type_by_name(kind: str, name: str, base: Any) -> Any:
    """Return what ``NewType`` and its like make."""
    make = getattr(typing, kind)
    made = make(name) if base is None else make(name, base)
    made.__module__ = "__main__"
    return made


def reference(target: Any, callback: Callable[..., Any] | None = None) -> Any:
    """Return a weak reference; one to nothing where nothing else holds its target."""
    return weakref.ref(target if target is not None else _Gone(), callback)


def context_variable(name: str, default: tuple[Any, ...], value: tuple[Any, ...]) -> Any:
    """Return a context variable that has its value."""
    made: Any = contextvars.ContextVar(name, default=default[0]) if default else contextvars.ContextVar(name)
    if value:
        made.set(value[0])
    return made


class _Gone:
    """Nobody holds it."""


def _of_cell(cell: types.CellType) -> tuple[Any, ...]:
    from cloudpickle.cloudpickle import _make_empty_cell

    try:
        return _make_empty_cell, (), (cell.cell_contents,), None, None, fill
    except ValueError:
        return _make_empty_cell, ()


def _of_variable(variable: Any) -> tuple[Any, ...]:
    return variable.name, contextvars.Context().run(_value_of, variable), _value_of(variable)


def _value_of(variable: Any) -> tuple[Any, ...]:
    try:
        return (variable.get(),)
    except LookupError:
        return ()


def _of_view(view: Any) -> Any:
    """Return how a read-only view is pickled: as one of the very mapping, unless that is the dict of a class."""
    (mapping,) = gc.get_referents(view)
    return NotImplemented if "__doc__" in mapping and "__module__" in mapping else (types.MappingProxyType, (mapping,))


def _is_own(value: Any) -> bool:
    """Whether nobody could import it."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    found: Any = sys.modules.get(str(module))
    for part in name.split("."):
        found = getattr(found, part, None)
    return module == "__main__" or found is not value


for _each in (fill, cached, cached_property, type_by_name, reference, context_variable):
    _each.__module__ = NAME
