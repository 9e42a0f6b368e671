"""Local modules whose files are not what the notebook has imported: the job gets what is on the disk.

Comes after `modules` knows what travels. What was imported is compared by the code of its functions and methods; a file
that is older than this process cannot have changed since.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path

from jupyter_trainjob.bundle import codes
from jupyter_trainjob.bundle.modules import Module


def note(modules: Iterable[Module]) -> str:
    """Return which modules changed since they were imported, and what to do; empty if none did."""
    files = {path: path.stat().st_mtime for module in modules for _, path in module.files}
    if not files:
        return ""
    import psutil  # Late: most cells need no local module.

    begun = psutil.Process().create_time()
    names = sorted(
        name
        for name, module in list(sys.modules.items())
        if name != "__main__"
        and isinstance(module, types.ModuleType)
        and (path := _path(module)) is not None
        and files.get(path, 0) > begun
        and not _is_as_imported(module, path)
    )
    if not names:
        return ""
    them = "it" if len(names) == 1 else "them"
    return (
        f"{', '.join(names)} changed on the disk since the notebook imported {them}: the job gets what is on the disk. "
        f"importlib.reload({names[0]}), or a restart of the kernel, makes both the same."
    )


def _path(module: types.ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) and file.endswith(".py") else None


def _is_as_imported(module: types.ModuleType, path: Path) -> bool:
    try:
        there = set(codes.every(compile(path.read_bytes(), str(path), "exec", dont_inherit=True)))
    except (OSError, SyntaxError, ValueError):
        return False  # Half written, perhaps; it was no such thing when it was imported.
    return all(code in there for code in _codes(module, str(path)))


def _codes(module: types.ModuleType, file: str) -> Iterator[types.CodeType]:
    """Yield the code of the functions and methods that a module defines."""
    for value in list(vars(module).values()):
        owned = vars(value).values() if isinstance(value, type) and value.__module__ == module.__name__ else [value]
        for each in list(owned):
            function = inspect.unwrap(each.__func__ if isinstance(each, (staticmethod, classmethod)) else each)
            if isinstance(function, types.FunctionType) and function.__code__.co_filename == file:
                yield function.__code__
