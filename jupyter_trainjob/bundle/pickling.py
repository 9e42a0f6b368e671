"""The pickler for notebook values: cloudpickle, with the job's ``__main__`` in place of the notebook's.

Functions of the notebook get the globals of the job's ``__main__`` itself, not a copy, so that a helper sees what the
cell assigns later, exactly as in the notebook. Reading needs nothing but `pickle` and cloudpickle.
"""

from __future__ import annotations

import io
import linecache
import re
import types
from collections.abc import Collection, Iterable
from typing import Any, Final

from cloudpickle import Pickler

from jupyter_trainjob.bundle import codes
from jupyter_trainjob.bundle.modules import imported_by
from jupyter_trainjob.bundle.notebook import is_ipythons
from jupyter_trainjob.bundle.syntax import QUERIES, names_in, queried
from jupyter_trainjob.worker import rebuilt, skeletons
from jupyter_trainjob.worker.classes import note_superseded
from jupyter_trainjob.worker.reducers import Reducers

_NAMED: Final = (type, types.FunctionType, types.BuiltinFunctionType)
SOURCE_LIMIT: Final = 64 * 2**10
SOURCES_LIMIT: Final = 192 * 2**10
"""Bytes of source text that travel with captured functions, for their tracebacks."""


class _JobGlobals:
    """Stands for the notebook's globals; unpickled, it is the dict of the job's ``__main__``."""

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle sends a module of sys.modules by its name.
        return vars, (types.ModuleType("__main__"),)


class NotebookPickler(Pickler):  # type: ignore[misc]
    """Pickles any number of values into one stream, with one memo: what is one object stays one object."""

    def __init__(self, stream: Any, namespace: dict[str, Any], *, without: Collection[str] = ()) -> None:
        """Pickle into `stream`. Names in `without` stay behind where functions use them: the job has them already."""
        super().__init__(stream)
        self.has_code = False
        self.sources: dict[str, str] = {}
        """Source text by the file name that pickled functions carry."""
        self.modules: set[str] = set()
        """Modules that what was pickled needs, by their full names."""
        self.codes: list[types.CodeType] = []
        """Of functions."""
        self._namespace = namespace
        self._without = frozenset(without)
        self._reducers = Reducers()
        self.globals_ref[id(namespace)] = _JobGlobals()

    def expect(self, values: Iterable[Any]) -> None:
        """Be told what is going to be pickled."""
        self._reducers.expect(values)

    def dump(self, obj: Any) -> None:
        """Pickle one more value."""
        with rebuilt.deep():
            super().dump(obj)

    def reducer_override(self, obj: Any) -> Any:
        """Refuse what cloudpickle would quietly change, and notice code that travels by value."""
        reduced = self._reducers.reduce(obj)
        if reduced is NotImplemented:
            reduced = super().reducer_override(obj)
        if isinstance(obj, types.ModuleType):
            self.modules.add(obj.__name__)
        elif reduced is NotImplemented and isinstance(obj, _NAMED):
            self.modules.add(str(getattr(obj, "__module__", None) or ""))
        if isinstance(obj, (type, types.FunctionType)) and isinstance(reduced, tuple) and len(reduced) == 6:
            self.has_code = True
            if isinstance(obj, type):
                note_superseded(obj, self._namespace)
                reduced = skeletons.reduced(obj, reduced, named=self._named_by_annotations(obj))
        return reduced

    def _named_by_annotations(self, cls: type) -> dict[str, Any]:
        """Return the names in a class's annotations that are texts: who asks for its types evaluates them."""
        texts = [each for each in vars(cls).get("__annotations__", {}).values() if isinstance(each, str)]
        names = {name for text in texts for name in re.findall(r"[^\W\d]\w*", text)}
        return {
            name: self._namespace[name]
            for name in sorted(names & self._namespace.keys())
            if isinstance(self._namespace[name], (type, types.ModuleType)) or _is_of_typing(self._namespace[name])
        }

    def _dynamic_function_reduce(self, func: types.FunctionType) -> Any:
        reduced = rebuilt.with_cells(super()._dynamic_function_reduce(func), func)
        self._remember_source(func.__code__.co_filename)
        self.codes.append(func.__code__)
        self.modules |= imported_by(func.__code__)
        if func.__globals__ is self._namespace:
            _, slots = reduced[2]
            taken = slots["__globals__"]
            taken = {
                **taken,
                **{name: self._namespace[name] for name in names_in_texts(func.__code__, self._namespace)},
            }
            slots["__globals__"] = {
                name: taken[name] for name in taken if name not in self._without and not is_ipythons(name, taken[name])
            }
        return reduced

    def _remember_source(self, filename: str) -> None:
        if filename in self.sources:
            return
        text = "".join(linecache.getlines(filename))
        if 0 < len(text) <= SOURCE_LIMIT and sum(map(len, self.sources.values())) + len(text) <= SOURCES_LIMIT:
            self.sources[filename] = text


def _is_of_typing(value: Any) -> bool:
    return type(value).__module__ in ("typing", "types", "typing_extensions")


def names_in_texts(code: types.CodeType, namespace: dict[str, Any]) -> set[str]:
    """Return the names of the notebook in texts that a function runs: ``!ls {folder}``, ``df.query("a > @limit")``."""
    readers = [
        *([names_in] if "get_ipython" in code.co_names else []),
        *([queried] if not QUERIES.isdisjoint(code.co_names) else []),
    ]
    if not readers:
        return {name for each in codes.within(code) for name in names_in_texts(each, namespace)}
    texts = list(codes.texts(code))
    return {name for read in readers for text in texts for name in read(text) if name in namespace}


class Sink(io.RawIOBase):
    """Takes everything, keeps nothing: for finding out whether something can be pickled."""

    def write(self, data: Any) -> int:
        """Count and forget."""
        return memoryview(data).nbytes


def failure(value: Any, namespace: dict[str, Any]) -> Exception | None:
    """Return why `value` cannot be pickled, None if it can."""
    try:
        NotebookPickler(Sink(), namespace).dump(value)
    except Exception as error:  # noqa: BLE001 - whatever a __reduce__ of somebody raises
        return error
    return None
