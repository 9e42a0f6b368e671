"""Check that a cell can run alone; syntax errors show their line and a caret before anything is sent."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from jupyter_trainjob.bundle.analysis import ipython_syntax
from jupyter_trainjob.errors import UsageError

_MAY_EXECUTE_TEXT: Final = re.compile(r"\b(?:get_ipython|exec|eval|query)\b")
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WITHOUT_EFFECT: Final = (*_DEFINITIONS, ast.Import, ast.ImportFrom, ast.Pass)


@dataclass(frozen=True)
class ParsedCell:
    """A parsed cell."""

    text: str
    """The source without IPython's commands, on the same lines."""
    tree: ast.Module
    """The tree in which commands are replaced by what their texts read and bind."""
    without_commands: ast.Module
    """The tree without the texts of commands."""


def parse_cell(source: str, filename: str) -> ParsedCell:
    """Parse a cell; raise `errors.UsageError` for a syntax error and for commands that a job does not support."""
    text = ipython_syntax.to_plain_python(source, filename)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            tree = ast.parse(text, filename)
    except SyntaxError as error:
        raise UsageError(_format_syntax_error(error, source, filename)) from None
    except ValueError as error:  # A null byte, before Python 3.12.
        raise UsageError(f"{filename} cannot be sent: {error}.") from None
    return ParsedCell(
        text, ipython_syntax.expand_magics(ast.parse(text, filename)) if _MAY_EXECUTE_TEXT.search(text) else tree, tree
    )


def check_calls_something(tree: ast.Module, *, out: Collection[str], filename: str) -> None:
    """Raise `errors.UsageError` for a cell that defines functions or classes, and calls none of them.

    It may define names in `out`, which are returned to the notebook.
    """
    defined = [node for node in tree.body if isinstance(node, _DEFINITIONS)]
    if not defined or any(node.decorator_list or node.name in out for node in defined):
        return
    if all(isinstance(node, _WITHOUT_EFFECT) or _is_constant(node) for node in tree.body):
        names = ", ".join(node.name for node in defined)
        raise UsageError(
            f"{filename} defines {names} and calls nothing, so the job would do nothing. End it with a call, such as "
            f"`{defined[-1].name}(...)`, or run the cell without %%trainjob and call it in another. Nothing was sent."
        )


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _format_syntax_error(error: SyntaxError, source: str, filename: str) -> str:
    lines = source.splitlines()
    number = error.lineno or 1
    line = lines[number - 1] if number <= len(lines) else ""
    indent = len(line) - len(line.lstrip())
    caret = " " * max(0, (error.offset or 1) - 1 - indent) + "^"
    return f"{filename}, line {number}: {error.msg}\n    {line.strip()}\n    {caret}\nNothing was sent."
