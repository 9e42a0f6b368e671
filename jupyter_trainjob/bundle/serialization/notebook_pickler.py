"""The pickler for notebook values: cloudpickle, with the job's ``__main__`` in place of the notebook's.

Functions of the notebook get the globals of the job's ``__main__`` itself, not a copy, so that a helper sees what the
cell assigns later, as in the notebook. Unpickling needs `pickle` and cloudpickle only.
"""

from __future__ import annotations

import io
import linecache
import re
import types
from collections.abc import Collection, Iterable
from typing import Any, Final

from cloudpickle import Pickler

from jupyter_trainjob.bundle.analysis import code_objects
from jupyter_trainjob.bundle.analysis.implicit_names import names_taken_from_main
from jupyter_trainjob.bundle.analysis.ipython_names import is_ipython_owned
from jupyter_trainjob.bundle.analysis.ipython_syntax import QUERIES, names_in_command, names_in_query
from jupyter_trainjob.bundle.analysis.local_modules import modules_imported_by
from jupyter_trainjob.worker.notebook import shell
from jupyter_trainjob.worker.pickling import class_reducers, stdlib_reducers
from jupyter_trainjob.worker.pickling.reducers import Reducers
from jupyter_trainjob.worker.pickling.returned_classes import record_superseded

_NAMED: Final = (type, types.FunctionType, types.BuiltinFunctionType)
SOURCE_LIMIT: Final = 64 * 2**10
SOURCES_LIMIT: Final = 192 * 2**10
"""Maximum of bytes of source text that are sent with captured functions, for their tracebacks."""


class _JobGlobals:
    """Placeholder for the notebook's globals; it is unpickled as those of the job's ``__main__``."""

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle pickles a module of sys.modules by name.
        return vars, (types.ModuleType("__main__"),)


class NotebookPickler(Pickler):  # type: ignore[misc]
    """Pickles any number of values into one stream, with one memo: one object stays one object."""

    def __init__(self, stream: Any, namespace: dict[str, Any], *, without: Collection[str] = ()) -> None:
        """Pickle into `stream`. Names in `without` are left out of functions' globals: the job provides them."""
        super().__init__(stream)
        self.has_code = False
        self.sources: dict[str, str] = {}
        """Source text by file name of the code of pickled functions."""
        self.modules: set[str] = set()
        """Full names of the modules that the pickled values need."""
        self.codes: list[types.CodeType] = []
        """The code of the pickled functions."""
        self._namespace = namespace
        self._without = frozenset(without)
        self._reducers = Reducers()
        self.globals_ref[id(namespace)] = _JobGlobals()

    def expect(self, values: Iterable[Any]) -> None:
        """Announce the values that are going to be pickled, see `worker.pickling.reducers`."""
        self._reducers.expect(values)

    def dump(self, obj: Any) -> None:
        """Pickle one more value."""
        with stdlib_reducers.deep_recursion():
            super().dump(obj)

    def reducer_override(self, obj: Any) -> Any:
        """Refuse values that cloudpickle would change silently, and record code that is pickled by value."""
        reduced = _reduce_kernel_input(obj) or self._reducers.reduce(obj)
        if reduced is NotImplemented:
            reduced = super().reducer_override(obj)
        if isinstance(obj, types.ModuleType):
            self.modules.add(obj.__name__)
        elif reduced is NotImplemented and isinstance(obj, _NAMED):
            self.modules.add(str(getattr(obj, "__module__", None) or ""))
        if isinstance(obj, (type, types.FunctionType)) and isinstance(reduced, tuple) and len(reduced) == 6:
            self.has_code = True
            if isinstance(obj, type):
                record_superseded(obj, self._namespace)
                reduced = class_reducers.reduce_class(obj, reduced, variables=self._named_by_annotations(obj))
        return reduced

    def _named_by_annotations(self, cls: type) -> dict[str, Any]:
        """Return the names in a class's quoted annotations, which `typing.get_type_hints` evaluates."""
        texts = [
            annotation for annotation in vars(cls).get("__annotations__", {}).values() if isinstance(annotation, str)
        ]
        names = {name for text in texts for name in re.findall(r"[^\W\d]\w*", text)}
        return {
            name: self._namespace[name]
            for name in sorted(names & self._namespace.keys())
            if isinstance(self._namespace[name], (type, types.ModuleType))
            or _is_typing_construct(self._namespace[name])
        }

    def _dynamic_function_reduce(self, func: types.FunctionType) -> Any:
        reduced = stdlib_reducers.keep_cells(super()._dynamic_function_reduce(func), func)
        self._remember_source(func.__code__.co_filename)
        self.codes.append(func.__code__)
        self.modules |= modules_imported_by(func.__code__)
        if func.__globals__ is self._namespace:
            _, slots = reduced[2]
            globals_used = slots["__globals__"]
            globals_used = {
                **globals_used,
                **{name: self._namespace[name] for name in names_in_constants(func.__code__, self._namespace)},
                **{
                    name: self._namespace[name]
                    for name in names_taken_from_main(func.__code__) & self._namespace.keys()
                },
            }
            slots["__globals__"] = {
                name: globals_used[name]
                for name in globals_used
                if name not in self._without and not is_ipython_owned(name, globals_used[name])
            }
        return reduced

    def _remember_source(self, filename: str) -> None:
        if filename in self.sources:
            return
        text = "".join(linecache.getlines(filename))
        if 0 < len(text) <= SOURCE_LIMIT and sum(map(len, self.sources.values())) + len(text) <= SOURCES_LIMIT:
            self.sources[filename] = text


def _reduce_kernel_input(obj: Any) -> tuple[Any, ...] | None:
    """Reduce the kernel's own `input` and `getpass` to their replacements in a job; None for other values."""
    if not isinstance(obj, types.MethodType) or type(obj.__self__).__module__.partition(".")[0] != "ipykernel":
        return None
    replacement = {"raw_input": shell.no_input, "getpass": shell.no_password}.get(obj.__name__)
    return None if replacement is None else (stdlib_reducers.identity, (replacement,))


def _is_typing_construct(value: Any) -> bool:
    return type(value).__module__ in ("typing", "types", "typing_extensions")


def names_in_constants(code: types.CodeType, namespace: dict[str, Any]) -> set[str]:
    """Return the notebook's names in strings that a function runs: ``!ls {folder}``, ``df.query("a > @limit")``."""
    readers = [
        *([names_in_command] if "get_ipython" in code.co_names else []),
        *([names_in_query] if not QUERIES.isdisjoint(code.co_names) else []),
    ]
    if not readers:
        return {name for nested in code_objects.nested_codes(code) for name in names_in_constants(nested, namespace)}
    texts = list(code_objects.string_constants(code))
    return {name for read in readers for text in texts for name in read(text) if name in namespace}


class NullSink(io.RawIOBase):
    """Discards what is written, for finding out whether a value can be pickled."""

    def write(self, data: Any) -> int:
        """Return the number of bytes."""
        return memoryview(data).nbytes


def pickling_error(value: Any, namespace: dict[str, Any]) -> Exception | None:
    """Return the error of pickling `value`, None if it can be pickled."""
    try:
        NotebookPickler(NullSink(), namespace).dump(value)
    except Exception as error:  # noqa: BLE001 - a __reduce__ can raise anything
        return error
    return None
