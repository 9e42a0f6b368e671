"""Give processes started with ``spawn`` or ``forkserver`` the cell's functions and classes.

Such a process starts with an empty ``__main__``, and pickles refer to functions and classes by name. `multiprocessing`
runs a script again to define them; a cell has no file. So the preparation data of a process also contains what
``__main__`` defines, by value. Forked processes inherit it.
"""

from __future__ import annotations

import io
import linecache
import pickle
import sys
import types
from collections import ChainMap
from collections.abc import Callable, Mapping
from multiprocessing import spawn
from pathlib import Path
from typing import Any, ClassVar, Final

from . import cell_program, module_aliases
from .notebook import notebook_modules
from .pickling import stdlib_reducers

KEY: Final = "trainjob_main"
_ROOT: Final = str(Path(__file__).parent.parent)
_RECEIVE: Final = f"import sys; sys.path.append(root); from {__name__} import populate_main; populate_main(data)"


def install() -> None:
    """Extend the preparation data of processes that are started from now on."""
    if spawn.get_preparation_data is not _preparation_data:
        spawn.get_preparation_data = _preparation_data


def populate_main(data: bytes) -> None:
    """Fill the ``__main__`` of a process that has just started, with `data` of its parent process."""
    install()
    module_aliases.install()
    notebook_modules.install()
    main = vars(sys.modules["__main__"])
    main.update(cell_program.provided_names())
    texts, names = pickle.loads(data)  # noqa: S301 - from the process that started this one
    linecache.cache.update(texts)
    main.update(pickle.loads(names))  # noqa: S301


_default_preparation_data: Final[Callable[[str], dict[str, Any]]] = spawn.get_preparation_data


def _preparation_data(name: str) -> dict[str, Any]:
    return {**_default_preparation_data(name), KEY: _MainDefinitions()}


class _MainDefinitions:
    """Unpickling it fills ``__main__``; that needs the standard library only."""

    def __reduce__(self) -> tuple[Any, ...]:
        main = vars(sys.modules["__main__"])
        texts = {name: entry for name, entry in linecache.cache.items() if len(entry) == 4 and entry[1] is None}
        data = pickle.dumps((texts, _definitions(main)))
        return exec, (_RECEIVE, {"root": _ROOT, "data": data})


class _MainGlobals:
    """Placeholder for the globals of ``__main__``; it is unpickled as those of the other process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return vars, (types.ModuleType("__main__"),)


def _definitions(main: dict[str, Any]) -> bytes:
    """Pickle the functions and classes of a program with the globals that they use, without those that cannot be."""
    definitions = {name: value for name, value in main.items() if _is_defined_in_main(value)}
    try:
        return _pickle_definitions(definitions, main)
    except Exception:  # noqa: BLE001 - pickling a global of the program can raise anything
        return _pickle_definitions(
            {name: value for name, value in definitions.items() if _is_picklable(value, main)}, main
        )


def _is_defined_in_main(value: Any) -> bool:
    return isinstance(value, (types.FunctionType, type)) and value.__module__ == "__main__"


def _is_picklable(value: Any, main: dict[str, Any]) -> bool:
    try:
        _pickle_definitions({"": value}, main)
    except Exception:  # noqa: BLE001
        return False
    return True


def _pickle_definitions(values: Mapping[str, Any], main: dict[str, Any]) -> bytes:
    from cloudpickle import Pickler

    class WithFiles(Pickler):  # type: ignore[misc]
        """Keeps the file names of code, for tracebacks."""

        dispatch_table: ClassVar = ChainMap({types.CodeType: stdlib_reducers.reduce_code}, Pickler.dispatch_table)

    stream = io.BytesIO()
    pickler = WithFiles(stream)
    pickler.globals_ref[id(main)] = _MainGlobals()
    pickler.dump(dict(values))
    return stream.getvalue()
