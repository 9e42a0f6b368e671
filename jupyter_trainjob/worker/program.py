"""The program of a job: a new ``__main__`` with the captured names, in which the cell runs at top level.

The cell is compiled under the notebook's name for it, with its text at hand, so that tracebacks, `inspect` and
warnings show its lines. Where it awaits, it runs in an event loop, as in the notebook; else there is none, so that it
may start one itself.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import linecache
import sys
import types
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from . import captures, files, folder, hidden, report, seeds, settings, shell
from .manifest import FUNCTION, Manifest


def run(manifest: Manifest, place: Path, *, rank: int = 0) -> Any:
    """Run the job's program to its end; return the value of its last expression, or what its function returned."""
    main = _new_main()
    for name, source in manifest.sources.items():
        _remember(name, source.text)
    files.unpack(manifest, place)
    values = dict(captures.load(manifest, place))
    changes = captures.changes(manifest, place)
    settings.install(manifest.settings)
    if manifest.seed is not None:
        seeds.install(manifest.seed, rank=rank)
    main.__dict__.update(hidden.values())
    if manifest.kind == FUNCTION:
        *_, call = values.values()
        function, args, kwargs = call
        return function(*args, **{**kwargs, **changes})
    main.__dict__.update(values)
    main.__dict__.update(changes)
    _remember(manifest.filename, manifest.source)
    return _run_cell(manifest.python_source or manifest.source, manifest.filename, main.__dict__, manifest.future)


def out(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the names that are to come back; NameError if the cell did not make one."""
    namespace = sys.modules["__main__"].__dict__
    for name in names:
        if name not in namespace:
            raise NameError(f"name {name!r} is to come back (--out), but the cell did not define it", name=name)
    return {name: namespace[name] for name in names}


def provided() -> dict[str, Any]:
    """Return the names that every cell has."""
    return {
        "report": report.report,
        "checkpoint_dir": folder.checkpoint_dir,
        "output_dir": folder.output_dir,
        "get_ipython": shell.get_ipython,
        "display": shell.display,
        "input": shell.no_input,
    }


def _new_main() -> types.ModuleType:
    main = types.ModuleType("__main__")
    main.__dict__.update(provided())
    sys.modules["__main__"] = main
    return main


def _run_cell(source: str, filename: str, namespace: dict[str, Any], future: tuple[str, ...] = ()) -> Any:
    tree = ast.parse(source, filename)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for name in future:
        flags |= getattr(__future__, name).compiler_flag
    # Both halves are compiled before one runs, as a notebook does.
    halves = [compile(tree, filename, "exec", flags, dont_inherit=True)]
    if isinstance(last, ast.Expr):
        halves.append(compile(ast.Expression(last.value), filename, "eval", flags, dont_inherit=True))
    if any(half.co_flags & inspect.CO_COROUTINE for half in halves):
        import asyncio  # Late: few cells need it.

        value = asyncio.run(_run_halves(halves, namespace))
    else:
        for half in halves:
            value = eval(half, namespace)  # noqa: S307 - running it is what a job is
    return value if last is not None and not _is_quiet(source, last) else None


async def _run_halves(halves: list[types.CodeType], namespace: dict[str, Any]) -> Any:
    value: Any = None
    for half in halves:
        value = eval(half, namespace)  # noqa: S307
        if half.co_flags & inspect.CO_COROUTINE and isinstance(value, Coroutine):
            value = await value
    return value


def _is_quiet(source: str, last: ast.stmt) -> bool:
    """Whether a semicolon comes after the last expression: then a notebook shows no value."""
    lines = source.splitlines()
    rest = lines[(last.end_lineno or 0) - 1].encode()[last.end_col_offset :]
    return rest.strip().startswith(b";")


def _remember(filename: str, text: str) -> None:
    # Without a time of change, linecache does not look for the file.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
