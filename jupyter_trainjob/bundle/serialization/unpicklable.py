"""Find the path to the part of a value that cannot be pickled, with a remedy.

Runs only after pickling has failed: it pickles the parts of the value one by one, descends into the first that fails,
and stops where no part fails. Bounded in depth, width and time, so that the path may end early.
"""

from __future__ import annotations

import contextlib
import functools
import io
import socket
import subprocess
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from jupyter_trainjob.bundle.analysis import code_objects
from jupyter_trainjob.errors import CaptureError
from jupyter_trainjob.worker.pickling.refused_values import RefusedValue

DEPTH: Final = 24
WIDTH: Final = 2_000
SECONDS: Final = 10.0

_LOCKS: Final = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event)
_SAFE: Final = (str, bytes, bytearray, int, float, complex, bool, type(None), types.ModuleType)
_REMEDIES: Final[tuple[tuple[tuple[type, ...], str], ...]] = (
    ((types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType),
     "Python cannot copy one, started or not: make a list of it, or create it inside {code}."),
    ((io.IOBase,), "Open the file inside {code}, so that every rank has its own."),
    ((socket.socket,), "Open the connection inside {code}, so that every rank has its own."),
    ((*_LOCKS, threading.Thread, subprocess.Popen),
     "It belongs to this process: create it inside {code}, or leave it out in the class's __getstate__."),
)  # fmt: skip
_BY_MODULE: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("sqlite3", "sqlalchemy", "psycopg", "psycopg2", "psycopg_c", "psycopg_binary", "asyncpg", "pymysql", "duckdb"),
     "Connect to the database inside {code}, so that every rank has its own connection."),
    (("multiprocessing", "concurrent", "asyncio", "_asyncio", "queue", "_queue", "threading", "_thread", "selectors"),
     "It belongs to this process: create it inside {code}, or leave it out in the class's __getstate__."),
    (("IPython", "ipywidgets", "ipykernel", "anywidget", "traitlets", "zmq"),
     "It belongs to the notebook: assign the value that it shows to a variable, and use that in {code}."),
    (("jupyter_trainjob",),
     "It belongs to the notebook: assign what you need, such as its result(), to a variable, and use that in {code}."),
    (("pyspark", "distributed"),
     "It belongs to this process: connect inside {code}, or collect the data into a variable before it."),
)  # fmt: skip
"""By the top-level package that defines a type, so that nothing has to be imported."""
_ANY_REMEDY: Final = "Create it inside {code}, or leave it out in the __getstate__ of the class that holds it."


@dataclass(frozen=True)
class UnpicklablePart:
    """The innermost part of a value that cannot be pickled."""

    path: str
    """Its path as an expression: ``data.loader.lock``."""
    type: str
    reason: str
    remedy: str


def find_unpicklable(
    name: str, value: Any, error: Exception, try_pickle: Callable[[Any], Exception | None], *, code: str = "the cell"
) -> UnpicklablePart:
    """Return the part that causes `error`. `try_pickle` returns the error of pickling a value, or None.

    `code` is how the remedy refers to the code that would use the value.
    """
    path = name
    visited = {id(value)}
    deadline = time.monotonic() + SECONDS
    for _ in range(DEPTH):
        for step, part in islice(_parts(path, value), WIDTH):
            if id(part) in visited or isinstance(part, _SAFE) or time.monotonic() > deadline:
                continue
            visited.add(id(part))
            cause = try_pickle(part)
            if cause is not None:
                path, value, error = step, part, cause
                break
        else:
            break
    remedy = error.remedy if isinstance(error, RefusedValue) else _remedy(value)
    return UnpicklablePart(path, type_name(value), _reason(error), remedy.format(code=code))


def unpicklable_error(
    name: str, value: Any, error: Exception, try_pickle: Callable[[Any], Exception | None], *, code: str
) -> CaptureError:
    """Return the error about the part that cannot be pickled; the arguments are those of `find_unpicklable`."""
    part = find_unpicklable(name, value, error, try_pickle, code=code)
    reason = f"{part.path} cannot be sent to the job: it is a {part.type} ({part.reason})."
    return CaptureError(f"{reason} {part.remedy} Nothing was sent.")


def _parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value with the path to each."""
    try:
        yield from _iter_parts(path, value)
    except Exception:  # noqa: BLE001 - properties and __getstate__ can raise anything
        return


def _iter_parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield from _items(path, value)
    if isinstance(value, types.FunctionType):
        yield from _function_parts(path, value)
    elif isinstance(value, types.MethodType):
        yield f"{path}.__self__", value.__self__
        yield f"{path}.__func__", value.__func__
    elif isinstance(value, functools.partial):
        yield from [(f"{path}.{name}", getattr(value, name)) for name in ("func", "args", "keywords")]
    elif isinstance(value, type):
        yield from [(f"{path}.{name}", _unwrapped(item)) for name, item in list(vars(value).items())]
        yield from [(f"{path} (its base {base.__qualname__})", base) for base in value.__bases__]
    elif not _defines_reduce(value):
        yield from [(f"{path}.{name}", item) for name, item in _attributes(value)]
        yield f"{path} (its class {type(value).__qualname__})", type(value)


def _defines_reduce(value: Any) -> bool:
    """Return whether a class defines its pickling itself: then attributes are irrelevant."""
    return any(getattr(type(value), name) is not getattr(object, name) for name in ("__reduce__", "__reduce_ex__"))


def _items(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in list(value.items()):
            yield f"{path}[{_short(key)}]", item
            yield f"{path} (its key {_short(key)})", key
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item
    elif isinstance(value, (set, frozenset)):
        for item in list(value):
            yield f"{path} (its element {_short(item)})", item


def _function_parts(path: str, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # Not assigned yet.
            yield f"{path} → {name}", cell.cell_contents
    for default in [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]:
        yield f"{path} (a default argument)", default
    for name in sorted({name for nested in code_objects.all_codes(code) for name in nested.co_names}):
        if name in function.__globals__:
            yield f"{path} → {name}", function.__globals__[name]
    for name, item in list(vars(function).items()):
        yield f"{path}.{name}", item


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    state = value.__getstate__() if hasattr(type(value), "__getstate__") else getattr(value, "__dict__", {})
    for part in state if isinstance(state, tuple) else (state,):
        if isinstance(part, dict):
            yield from list(part.items())
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield name, getattr(value, name)


def _unwrapped(item: Any) -> Any:
    return item.__func__ if isinstance(item, (staticmethod, classmethod)) else item


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def type_name(value: Any) -> str:
    """Return the name of a value's type, qualified by its module unless that is builtins or ``__main__``."""
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__qualname__).partition("\n")[0]


def _remedy(value: Any) -> str:
    for types_, remedy in _REMEDIES:
        if isinstance(value, types_):
            return remedy
    # A subclass of the notebook has the same problem as its base.
    packages = [str(cls.__module__).partition(".")[0] for cls in type(value).__mro__]
    return next((remedy for names, remedy in _BY_MODULE if not set(names).isdisjoint(packages)), _ANY_REMEDY)
