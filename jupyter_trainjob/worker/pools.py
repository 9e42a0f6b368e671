"""Processes that a cell starts with ``spawn`` or ``forkserver``: they know the cell's functions and classes.

Such a process begins with an empty ``__main__``, and what crosses over to it names things by where they are defined. A
script's process runs the script again for that; a cell has no file. So the data with which `multiprocessing` prepares
a process also carries what ``__main__`` defines, by value. Processes that are forked have it anyway.
"""

from __future__ import annotations

import io
import linecache
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from multiprocessing import spawn
from pathlib import Path
from typing import Any, Final

from . import known, program

KEY: Final = "trainjob_main"
_ROOT: Final = str(Path(__file__).parent.parent)
_RECEIVE: Final = f"import sys; sys.path.append(root); from {__package__} import pools; pools.receive(data)"


def install() -> None:
    """Have processes that are started from now on know what ``__main__`` defines."""
    if spawn.get_preparation_data is not _prepared:
        spawn.get_preparation_data = _prepared


def receive(data: bytes) -> None:
    """Fill the ``__main__`` of a process that has just started."""
    install()
    known.install()
    main = vars(sys.modules["__main__"])
    main.update(program.provided())
    texts, names = pickle.loads(data)  # noqa: S301 - from the process that started this one
    linecache.cache.update(texts)
    main.update(pickle.loads(names))  # noqa: S301


_plainly: Final[Callable[[str], dict[str, Any]]] = spawn.get_preparation_data


def _prepared(name: str) -> dict[str, Any]:
    return {**_plainly(name), KEY: _Main()}


class _Main:
    """Unpickled, it has filled ``__main__``; that needs nothing but Python."""

    def __reduce__(self) -> tuple[Any, ...]:
        main = vars(sys.modules["__main__"])
        texts = {name: entry for name, entry in linecache.cache.items() if len(entry) == 4 and entry[1] is None}
        data = pickle.dumps((texts, _definitions(main)))
        return exec, (_RECEIVE, {"root": _ROOT, "data": data})


class _Globals:
    """Stands for the globals of ``__main__``; unpickled, it is those of the other process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return vars, (types.ModuleType("__main__"),)


def _definitions(main: dict[str, Any]) -> bytes:
    """Pack the functions and classes of a program, with the globals that they use; leave out what cannot travel."""
    found = {name: value for name, value in main.items() if _is_defined(value)}
    try:
        return _packed(found, main)
    except Exception:  # noqa: BLE001 - whatever a global of the program makes of being pickled
        return _packed({name: value for name, value in found.items() if _travels(value, main)}, main)


def _is_defined(value: Any) -> bool:
    return isinstance(value, (types.FunctionType, type)) and value.__module__ == "__main__"


def _travels(value: Any, main: dict[str, Any]) -> bool:
    try:
        _packed({"": value}, main)
    except Exception:  # noqa: BLE001
        return False
    return True


def _packed(values: Mapping[str, Any], main: dict[str, Any]) -> bytes:
    from cloudpickle import Pickler

    stream = io.BytesIO()
    pickler = Pickler(stream)
    pickler.globals_ref[id(main)] = _Globals()
    pickler.dump(dict(values))
    return stream.getvalue()
