"""The program of a job: a new ``__main__`` with the captured names, in which the cell runs at top level.

The cell is compiled under the notebook's name for it and its source is registered with `linecache`, so that tracebacks,
`inspect` and warnings show its lines. A cell with top-level ``await`` runs in an event loop, as in the notebook; any
other runs without one, so that it can start its own.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import inspect
import linecache
import sys
import types
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

from . import captured_values, process_settings, random_seeds, report
from .manifest import CELL, FUNCTION, Manifest
from .notebook import figures, shell
from .output import secret_masking
from .storage import job_dirs, packed_modules


def run_program(manifest: Manifest, bundle_dir: Path, *, rank: int = 0) -> Any:
    """Run the job's program; return the value of the cell's last expression, or what the function returned.

    `bundle_dir` contains the parts next to ``job.pyz``. Raises `captured_values.SetupError` if the program cannot be
    started, and whatever the program raises.
    """
    main = _new_main(manifest.unsent, manifest.kind)
    for name, source in manifest.sources.items():
        _register_source(name, source.text)
    packed_modules.unpack_files(manifest, bundle_dir)
    _import_modules(manifest.imports)
    values = dict(captured_values.load_values(manifest, bundle_dir))
    changes = captured_values.load_changes(manifest, bundle_dir)
    process_settings.install(manifest.settings)
    if manifest.seed is not None:
        random_seeds.install(manifest.seed, rank=rank)
    main.__dict__.update(secret_masking.secret_variables())
    if manifest.kind == FUNCTION:
        *_, call = values.values()
        function, args, kwargs = call
        value = function(*args, **{**kwargs, **changes})
        if not inspect.iscoroutine(value):
            return value
        import asyncio  # Late: few functions need it.

        return asyncio.run(value)
    main.__dict__.update(values)
    main.__dict__.update(changes)
    _register_source(manifest.filename, manifest.source)
    value = _run_cell(manifest.python_source or manifest.source, manifest.filename, main.__dict__, manifest.future)
    if rank == 0 and (note := figures.unshown_figures_note(value, manifest.source)):
        print(note, file=sys.stderr)
    return value


def collect_out(names: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of `names`, and for those that the cell did not assign the reason why there is none."""
    namespace = sys.modules["__main__"].__dict__
    values = {name: namespace[name] for name in names if name in namespace}
    unassigned = [name for name in names if name not in namespace]
    return values, {
        name: f"the cell ended without assigning it. Assign it on every path, such as {name} = None at the beginning, "
        "and run the cell again."
        for name in unassigned
    }


def provided_names() -> dict[str, Any]:
    """Return the names that are predefined in every cell."""
    return {
        "report": report.report,
        "checkpoint_dir": job_dirs.checkpoint_dir,
        "output_dir": job_dirs.output_dir,
        "get_ipython": shell.get_ipython,
        "display": shell.display,
        "input": shell.no_input,
    }


def _new_main(unsent: tuple[str, ...] = (), kind: str = CELL) -> types.ModuleType:
    """Return a new ``__main__``; each name in `unsent` raises an error there: it was not sent with the cell."""

    class Main(types.ModuleType):
        def __getattr__(self, name: str) -> NoReturn:
            """Raise `NameError` for a name that was not sent, for ``import`` and pickle."""
            if name in unsent:  # No AttributeError: `import` and `pickle` would replace its message.
                raise NameError(
                    f"{name} is defined in the notebook and was not sent, since the {kind} does not name it. To send "
                    f"it, write {name} on a line of its own at the beginning of the {kind}.",
                    name=name,
                )
            raise AttributeError(f"module '__main__' has no attribute {name!r}", name=name, obj=self)

    main = Main("__main__")
    main.__dict__.update(provided_names())
    sys.modules["__main__"] = main
    return main


def _import_modules(names: tuple[str, ...]) -> None:
    """Import modules that the notebook had imported; a failure is only a warning, as the cell may not need them."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001, PERF203 - importing a module can raise anything
            print(f"{name} cannot be imported here: {type(error).__name__}: {error}", file=sys.stderr)


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

        value = asyncio.run(_run_async(halves, namespace))
    else:
        for half in halves:
            value = eval(half, namespace)  # noqa: S307 - the job's own code
    return value if last is not None and not _ends_with_semicolon(source, last) else None


async def _run_async(halves: list[types.CodeType], namespace: dict[str, Any]) -> Any:
    value: Any = None
    for half in halves:
        value = eval(half, namespace)  # noqa: S307
        if half.co_flags & inspect.CO_COROUTINE and isinstance(value, Coroutine):
            value = await value
    return value


def _ends_with_semicolon(source: str, last: ast.stmt) -> bool:
    """Whether a semicolon follows the last expression: then a notebook shows no value."""
    lines = source.splitlines()
    rest = lines[(last.end_lineno or 0) - 1].encode()[last.end_col_offset :]
    return rest.strip().startswith(b";")


def _register_source(filename: str, text: str) -> None:
    # An entry without a modification time is never checked against a file.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
