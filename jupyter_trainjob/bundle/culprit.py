"""Where in a value is the thing that cannot travel? Finds the path to it, and says what to do about it.

Only runs when pickling has failed: it pickles the parts of the failing value one by one, goes into the first that
fails, and stops where no part is to blame. Bounded in depth, width and time, so the path may end early.
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

from jupyter_trainjob.bundle import codes
from jupyter_trainjob.worker.tensors import OnDevice

DEPTH: Final = 24
WIDTH: Final = 2_000
SECONDS: Final = 10.0

_LOCKS: Final = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event)
_SAFE: Final = (str, bytes, bytearray, int, float, complex, bool, type(None), types.ModuleType)
_REMEDIES: Final[tuple[tuple[tuple[type, ...], str], ...]] = (
    ((types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType),
     "It can only run where it was started: make a list of it, or create it inside the cell."),
    ((io.IOBase,), "Open the file inside the cell, so that every rank has its own."),
    ((socket.socket,), "Open the connection inside the cell, so that every rank has its own."),
    ((*_LOCKS, threading.Thread, subprocess.Popen),
     "It belongs to this process: create it inside the cell, or leave it out in the class's __getstate__."),
)  # fmt: skip
_BY_MODULE: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("sqlite3", "sqlalchemy", "psycopg", "psycopg2", "psycopg_c", "psycopg_binary", "asyncpg", "pymysql", "duckdb"),
     "Connect to the database inside the cell, so that every rank has its own connection."),
    (("multiprocessing", "concurrent", "asyncio", "_asyncio", "queue", "_queue", "threading", "_thread", "selectors"),
     "It belongs to this process: create it inside the cell, or leave it out in the class's __getstate__."),
    (("IPython", "ipywidgets", "ipykernel", "anywidget", "traitlets", "zmq"),
     "It belongs to the notebook: take the value that it shows into a variable, and use that in the cell."),
    (("jupyter_trainjob",),
     "It belongs to the notebook: take what you need of it, such as result(), into a variable before the cell."),
    (("pyspark", "distributed"),
     "It belongs to this process: connect inside the cell, or collect the data into a variable before it."),
)  # fmt: skip
"""By the top-level package that defines a type: looked up by name, so that nothing is imported for it."""
_ON_DEVICE: Final = (
    "Move it to main memory before, as by .cpu() or .to('cpu'), and to a rank's own device inside the cell."
)
_ANY_REMEDY: Final = "Create it inside the cell, or leave it out in the __getstate__ of the class that holds it."


@dataclass(frozen=True)
class Culprit:
    """The innermost value that cannot be pickled."""

    path: str
    """How one would write it: ``data.loader.lock``."""
    type: str
    reason: str
    remedy: str


def find(name: str, value: Any, error: Exception, failure: Callable[[Any], Exception | None]) -> Culprit:
    """Return what is to blame for `error`. `failure` tries to pickle a value and returns why it cannot be."""
    path = name
    seen = {id(value)}
    deadline = time.monotonic() + SECONDS
    for _ in range(DEPTH):
        for step, part in islice(_parts(path, value), WIDTH):
            if id(part) in seen or isinstance(part, _SAFE) or time.monotonic() > deadline:
                continue
            seen.add(id(part))
            cause = failure(part)
            if cause is not None:
                path, value, error = step, part, cause
                break
        else:
            break
    remedy = _ON_DEVICE if isinstance(error, OnDevice) else _remedy(value)
    return Culprit(path, type_name(value), _reason(error), remedy)


def _parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value with the path to each."""
    try:
        yield from _known_parts(path, value)
    except Exception:  # noqa: BLE001 - a property or a __getstate__ of somebody
        return


def _known_parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
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
    elif not _speaks_for_itself(value):
        yield from [(f"{path}.{name}", item) for name, item in _attributes(value)]
        yield f"{path} (its class {type(value).__qualname__})", type(value)


def _speaks_for_itself(value: Any) -> bool:
    """Return whether a value says how it is pickled, or why not: its attributes are no part of that."""
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
    for name in sorted({name for each in codes.every(code) for name in each.co_names}):
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
    """Return the type of a value as one would write it."""
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
    # A subclass from the notebook holds the same thing as its base.
    packages = [str(cls.__module__).partition(".")[0] for cls in type(value).__mro__]
    return next((remedy for names, remedy in _BY_MODULE if not set(names).isdisjoint(packages)), _ANY_REMEDY)
