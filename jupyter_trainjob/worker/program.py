"""The program of a job: a new ``__main__`` with the captured names, in which the cell runs at top level.

The cell is compiled under the notebook's name for it, with its text at hand, so that tracebacks, `inspect` and
warnings show its lines.
"""

from __future__ import annotations

import ast
import linecache
import sys
import types
from pathlib import Path
from typing import Any

from . import captures, report
from .manifest import FUNCTION, Manifest


def run(manifest: Manifest, folder: Path) -> Any:
    """Run the job's program to its end; return the value of its last expression, or what its function returned."""
    main = _new_main()
    for name, source in manifest.sources.items():
        _remember(name, source.text)
    values = dict(captures.load(manifest, folder))
    if manifest.kind == FUNCTION:
        *_, call = values.values()
        function, args, kwargs = call
        return function(*args, **kwargs)
    main.__dict__.update(values)
    _remember(manifest.filename, manifest.source)
    return _run_cell(manifest.source, manifest.filename, main.__dict__)


def out(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the names that are to come back; NameError if the cell did not make one."""
    namespace = sys.modules["__main__"].__dict__
    for name in names:
        if name not in namespace:
            raise NameError(f"name {name!r} is to come back (--out), but the cell did not define it", name=name)
    return {name: namespace[name] for name in names}


def _new_main() -> types.ModuleType:
    main = types.ModuleType("__main__")
    main.__dict__["report"] = report.report
    sys.modules["__main__"] = main
    return main


def _run_cell(source: str, filename: str, namespace: dict[str, Any]) -> Any:
    tree = ast.parse(source, filename)
    last = tree.body[-1] if tree.body else None
    expression = None
    # Both halves are compiled before one runs, as a notebook does.
    if isinstance(last, ast.Expr):
        tree.body.pop()
        expression = compile(ast.Expression(last.value), filename, "eval", dont_inherit=True)
    body = compile(tree, filename, "exec", dont_inherit=True)
    exec(body, namespace)  # noqa: S102 - running it is what a job is
    return eval(expression, namespace) if expression else None  # noqa: S307


def _remember(filename: str, text: str) -> None:
    # Without a time of change, linecache does not look for the file.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
