"""Pickle values of the standard library that their own pickling cannot handle.

Caches, new types and others are pickled by names that cannot be imported, some contain locks, and a cell that two
closures share would become two. `reduce_value` handles these; pickles refer to the functions that create the values by
this module's name in the notebook.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import gc
import pickle
import sys
import types
import typing
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

NAME: Final = "jupyter_trainjob.worker.pickling.stdlib_reducers"
RECURSION_LIMIT: Final = 10_000
"""Recursion limit while values are pickled; a third of what a thread's stack has room for."""
_BY_NAME: Final = tuple(
    kind for name in ("NewType", "ParamSpec", "TypeVarTuple") if (kind := getattr(typing, name, None)) is not None
)
_VIEWS: Final[dict[type, Any]] = {type(make({})): make for make in (dict.keys, dict.values, dict.items)}
_KEY: Final = type(functools.cmp_to_key(lambda a, b: 0))  # noqa: ARG005
_WEAK: Final = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
_SINCE_3_11: Final = sys.version_info >= (3, 11)
_CODE_FIELDS: Final = (
    *("argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags", "code", "consts", "names"),
    *("varnames", "filename", "name", *(["qualname"] if _SINCE_3_11 else []), "firstlineno", "linetable"),
    *(["exceptiontable"] if _SINCE_3_11 else []),
    *("freevars", "cellvars"),
)
"""Arguments of `types.CodeType`, in their order, by the attributes ``co_…`` that hold them."""


@contextlib.contextmanager
def deep_recursion() -> Iterator[None]:
    """Raise Python's recursion limit: a linked list of two thousand elements must be picklable."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def reduce_value(obj: Any) -> Any:
    """Return the reduction of `obj`; `NotImplemented` for values that pickle and cloudpickle handle."""
    if isinstance(obj, types.CellType):
        return _reduce_cell(obj)
    if isinstance(obj, types.CodeType):
        return reduce_code(obj)
    if isinstance(obj, functools._lru_cache_wrapper):  # noqa: SLF001 - it has no other name
        return (make_cached, (obj.__wrapped__, obj.cache_parameters())) if _is_unimportable(obj) else NotImplemented
    if isinstance(obj, functools.cached_property):
        return make_cached_property, (obj.func, obj.attrname)
    if isinstance(obj, _BY_NAME) and getattr(obj, "__module__", None) == "__main__":
        return make_type, (type(obj).__name__, obj.__name__, getattr(obj, "__supertype__", None))
    return _reduce_reference(obj)


def _reduce_reference(obj: Any) -> Any:
    """Return the reduction of a weak reference, a view or the like."""
    if type(obj) in _WEAK:
        return type(obj), (list(obj) if isinstance(obj, weakref.WeakSet) else dict(obj),)
    if type(obj) is weakref.ref:
        return make_reference, (obj(), obj.__callback__)
    if type(obj) is weakref.WeakMethod:
        return weakref.WeakMethod, (obj(),)
    if type(obj) is types.MappingProxyType:
        return _reduce_mapping_proxy(obj)
    if type(obj) in _VIEWS:
        return _VIEWS[type(obj)], (gc.get_referents(obj)[0],)
    if type(obj) is contextvars.ContextVar:
        return make_context_variable, _context_variable_arguments(obj)
    if type(obj) is _KEY:
        compare, *rest = (referent for referent in gc.get_referents(obj) if referent is not _KEY)
        return NotImplemented if rest else (functools.cmp_to_key, (compare,))
    return NotImplemented


def reduce_stream(obj: Any) -> Any:
    """Return the reduction of a standard stream to that of the other process; `NotImplemented` for other values."""
    names = ("stdout", "stderr", "stdin", "__stdout__", "__stderr__", "__stdin__")
    name = next((name for name in names if obj is not None and obj is getattr(sys, name, None)), None)
    return NotImplemented if name is None else (standard_stream, (name,))


def standard_stream(name: str) -> Any:
    """Return a standard stream of this process."""
    return getattr(sys, name)


def reduce_chained_exception(obj: Any) -> Any:
    """Return the reduction of an exception with its cause and context; `NotImplemented` for one without.

    A cause or context that cannot be pickled is left out.
    """
    if not isinstance(obj, BaseException) or (obj.__cause__ is None and obj.__context__ is None):
        return NotImplemented
    reduced = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if not isinstance(reduced, tuple) or len(reduced) > 3:
        return NotImplemented
    make, arguments, *state = reduced
    chain = tuple(other if _can_be_pickled(other) else None for other in (obj.__cause__, obj.__context__))
    return (
        make,
        arguments,
        (*state, *[None] * (1 - len(state)), *chain, obj.__suppress_context__),
        None,
        None,
        chain_exception,
    )


def chain_exception(error: BaseException, state: tuple[Any, ...]) -> None:
    """Set the attributes, the cause and the context of an exception."""
    attributes, cause, context, suppress = state
    if attributes is not None:
        error.__setstate__(attributes)
    error.__cause__, error.__context__, error.__suppress_context__ = cause, context, suppress


def _can_be_pickled(error: BaseException | None) -> bool:
    from cloudpickle import dumps

    try:
        dumps(error)
    except Exception:  # noqa: BLE001 - an exception can contain anything
        return False
    return True


def reduce_code(obj: types.CodeType) -> tuple[Any, ...]:
    """Return the reduction of code, with its file name, which cloudpickle omits from 3.1.3 on."""
    return types.CodeType, tuple(getattr(obj, f"co_{name}") for name in _CODE_FIELDS)


def keep_cells(reduction: tuple[Any, ...], function: types.FunctionType) -> tuple[Any, ...]:
    """Return cloudpickle's `reduction` of a function, with its own cells instead of new ones: they may be shared."""
    if function.__closure__ is None:
        return reduction
    make, arguments, *rest = reduction
    return make, (*arguments[:-1], function.__closure__), *rest


def fill_cell(cell: types.CellType, holder: tuple[Any]) -> types.CellType:
    """Set the content of a cell, which may refer back to the cell."""
    cell.cell_contents = holder[0]
    return cell


def make_cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """Return a function with an empty cache."""
    return functools.lru_cache(**parameters)(function)


def make_cached_property(function: Callable[[Any], Any], name: str | None) -> Any:
    """Return a cached property with a new lock, in Python versions whose cached properties have one."""
    prop = functools.cached_property(function)
    if name is not None:
        prop.__set_name__(object, name)
    return prop


def make_type(kind: str, name: str, base: Any) -> Any:
    """Return a ``NewType``, ``ParamSpec`` or ``TypeVarTuple``."""
    make = getattr(typing, kind)
    new_type = make(name) if base is None else make(name, base)
    new_type.__module__ = "__main__"
    return new_type


def identity(value: Any) -> Any:
    """Return `value`, which replaces another one of the notebook."""
    return value


def make_reference(target: Any, callback: Callable[..., Any] | None = None) -> Any:
    """Return a weak reference; a dead one if nothing else refers to its target."""
    return weakref.ref(target if target is not None else _Collected(), callback)


def make_context_variable(name: str, default: tuple[Any, ...], value: tuple[Any, ...]) -> Any:
    """Return a context variable that has its value."""
    variable: Any = contextvars.ContextVar(name, default=default[0]) if default else contextvars.ContextVar(name)
    if value:
        variable.set(value[0])
    return variable


class _Collected:
    """Target of a dead reference."""


def _reduce_cell(cell: types.CellType) -> tuple[Any, ...]:
    from cloudpickle.cloudpickle import _make_empty_cell

    try:
        return _make_empty_cell, (), (cell.cell_contents,), None, None, fill_cell
    except ValueError:
        return _make_empty_cell, ()


def _context_variable_arguments(variable: Any) -> tuple[Any, ...]:
    return variable.name, contextvars.Context().run(_context_value, variable), _context_value(variable)


def _context_value(variable: Any) -> tuple[Any, ...]:
    try:
        return (variable.get(),)
    except LookupError:
        return ()


def _reduce_mapping_proxy(view: Any) -> Any:
    """Return the reduction of a mapping proxy: a view of the same mapping, unless that is a class's dict."""
    (mapping,) = gc.get_referents(view)
    return NotImplemented if "__doc__" in mapping and "__module__" in mapping else (types.MappingProxyType, (mapping,))


def _is_unimportable(value: Any) -> bool:
    """Whether a value cannot be imported by its name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    imported: Any = sys.modules.get(str(module))
    for part in name.split("."):
        imported = getattr(imported, part, None)
    return module == "__main__" or imported is not value


for _function in (
    standard_stream,
    chain_exception,
    fill_cell,
    make_cached,
    make_cached_property,
    make_type,
    identity,
    make_reference,
    make_context_variable,
):
    _function.__module__ = NAME
