"""Is this cell a program that can run alone? Errors come here, before anything is sent, with the line and a caret."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from jupyter_trainjob.bundle import syntax
from jupyter_trainjob.errors import UsageError

_HAS_TEXT: Final = re.compile(r"\b(?:get_ipython|exec|eval|query)\b")
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DOES_NOTHING: Final = (*_DEFINITIONS, ast.Import, ast.ImportFrom, ast.Pass)


@dataclass(frozen=True)
class Source:
    """A cell that Python understands."""

    text: str
    """Without commands of the notebook, on the same lines."""
    tree: ast.Module
    """With what the texts of commands read and bind in their place."""


def parse(source: str, filename: str) -> Source:
    """Return a cell as Python; raise `errors.UsageError` if it is none, or has commands that a job does not know."""
    text = syntax.plain(source, filename)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            tree = ast.parse(text, filename)
    except SyntaxError as error:
        raise UsageError(_explain(error, source, filename)) from None
    except ValueError as error:  # A null byte, before Python 3.12.
        raise UsageError(f"{filename} cannot be sent: {error}.") from None
    return Source(text, syntax.unfolded(tree) if _HAS_TEXT.search(text) else tree)


def check_that_it_acts(tree: ast.Module, *, out: Collection[str], filename: str) -> None:
    """Raise `errors.UsageError` for a cell that defines functions or classes, and calls none of them.

    Names in `out` are to come back: then the definitions are what is wanted.
    """
    defined = [node for node in tree.body if isinstance(node, _DEFINITIONS)]
    if not defined or any(node.decorator_list or node.name in out for node in defined):
        return
    if all(isinstance(node, _DOES_NOTHING) or _is_text(node) for node in tree.body):
        names = ", ".join(node.name for node in defined)
        raise UsageError(
            f"{filename} defines {names} and calls nothing, so the job would do nothing. End it with a call, such as "
            f"`{defined[-1].name}(...)`, or run the cell without %%trainjob and call it in another. Nothing was sent."
        )


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _explain(error: SyntaxError, source: str, filename: str) -> str:
    lines = source.splitlines()
    number = error.lineno or 1
    line = lines[number - 1] if number <= len(lines) else ""
    indent = len(line) - len(line.lstrip())
    caret = " " * max(0, (error.offset or 1) - 1 - indent) + "^"
    return f"{filename}, line {number}: {error.msg}\n    {line.strip()}\n    {caret}\nNothing was sent."
