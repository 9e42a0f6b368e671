"""Find local modules whose files have changed since the notebook imported them.

Functions and methods of imported modules are compared with their files by their code. A file that is older than this
process cannot have changed since.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path

from jupyter_trainjob.bundle.analysis import code_objects
from jupyter_trainjob.bundle.analysis.local_modules import JobModule


def stale_modules_note(modules: Iterable[JobModule]) -> str:
    """Return a note about modules that changed since they were imported; empty if none did."""
    files = {path: path.stat().st_mtime for module in modules for _, path in module.files}
    if not files:
        return ""
    import psutil  # Late: most cells need no local module.

    process_started = psutil.Process().create_time()
    names = sorted(
        name
        for name, module in list(sys.modules.items())
        if name != "__main__"
        and isinstance(module, types.ModuleType)
        and (path := _path(module)) is not None
        and files.get(path, 0) > process_started
        and not _is_as_imported(module, path)
    )
    if not names:
        return ""
    pronoun = "it" if len(names) == 1 else "them"
    return (
        f"{', '.join(names)} changed on the disk since the notebook imported {pronoun}: the job gets the files on the "
        f"disk. importlib.reload({names[0]}), or a restart of the kernel, makes both the same."
    )


def _path(module: types.ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) and file.endswith(".py") else None


def _is_as_imported(module: types.ModuleType, path: Path) -> bool:
    try:
        codes_on_disk = set(code_objects.all_codes(compile(path.read_bytes(), str(path), "exec", dont_inherit=True)))
    except (OSError, SyntaxError, ValueError):
        return False  # The file has changed, since it could be imported.
    return all(code in codes_on_disk for code in _function_codes(module, str(path)))


def _function_codes(module: types.ModuleType, file: str) -> Iterator[types.CodeType]:
    """Yield the code of the functions and methods that a module defines."""
    for value in list(vars(module).values()):
        members = vars(value).values() if isinstance(value, type) and value.__module__ == module.__name__ else [value]
        for member in list(members):
            function = inspect.unwrap(member.__func__ if isinstance(member, (staticmethod, classmethod)) else member)
            if isinstance(function, types.FunctionType) and function.__code__.co_filename == file:
                yield function.__code__
