"""Find undefined names of a cell, so that a NameError is reported before anything is sent.

A name that is read on every path through the cell is an error; one that is read on some paths (a branch, a loop's
condition, a function that nothing calls) is a note. If code may define names in other ways (``exec``, ``globals()``,
``from m import *``, functions with ``global``), nothing is reported.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob.bundle.analysis import code_objects
from jupyter_trainjob.bundle.analysis.ipython_names import is_history
from jupyter_trainjob.bundle.analysis.scopes import names_read
from jupyter_trainjob.worker.cell_program import provided_names

_DEFINES_UNSEEN: Final = frozenset(
    {"exec", "globals", "locals", "vars", "setattr", "__main__", "user_ns", "user_global_ns", "push", "ex", "run_cell"}
)
"""Names whose use may define variables that the analysis does not find."""
_CATCHES_NAME_ERROR: Final = frozenset({"NameError", "UnboundLocalError", "Exception", "BaseException"})
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class UndefinedName:
    """A name that is read and not defined."""

    name: str
    line: int
    certain: bool
    """Whether every run of the cell reads the name."""
    similar: str
    """The most similar defined name; empty if none is similar."""

    def describe(self, filename: str) -> str:
        """Return an error message of one or two sentences."""
        hint = f" Did you mean {self.similar}?" if self.similar else ""
        return f"{filename}, line {self.line} uses {self.name}, which neither the cell nor the notebook defines.{hint}"


def find_undefined(
    tree: ast.Module, needed: Sequence[str], defined: Collection[str], namespace: Mapping[str, Any]
) -> list[UndefinedName]:
    """Return the names among `needed` that are not defined, certain ones first, each with its first line.

    `defined` are names that the cell assigns, and others that the job will have.
    """
    available = {*defined, *namespace, *vars(builtins), *provided_names(), "_exit_code"}  # IPython sets the last one.
    missing = [name for name in needed if name not in available and not name.startswith("__") and not is_history(name)]
    if not missing or _defines_unseen(tree) or any(map(_assigns_globals, list(namespace.values()))):
        return []
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    called |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    undefined = []
    for name in missing:
        uses = sorted(_uses(tree.body, name, called), key=lambda use: (not use[1], use[0]))
        if uses:
            matches = difflib.get_close_matches(
                name, sorted(candidate for candidate in available if candidate[:1] != "_"), n=1, cutoff=0.7
            )
            undefined.append(UndefinedName(name, *uses[0], matches[0] if matches else ""))
    return sorted(undefined, key=lambda candidate: (not candidate.certain, candidate.line))


def _uses(nodes: Sequence[ast.AST], name: str, called: Collection[str]) -> Iterator[tuple[int, bool]]:
    """Yield the lines on which `nodes` read a global name, and whether every run reads it."""
    for node in nodes:
        if isinstance(node, ast.expr_context) or name not in names_read(node):
            continue
        if isinstance(node, ast.Name):
            yield node.lineno, True
            continue
        sometimes, always = _parts(node, called)
        yield from ((line, False) for line, _ in _uses(sometimes, name, called))
        yield from _uses(always, name, called)


def _parts(node: ast.AST, called: Collection[str]) -> tuple[list[ast.AST], list[ast.AST]]:
    """Return the parts of a node that do not always run, and all others."""
    match node:
        case ast.If() | ast.While():
            return [*node.body, *node.orelse], [node.test]
        case ast.IfExp():
            return [node.body, node.orelse], [node.test]
        case ast.BoolOp():
            return [*node.values[1:]], [node.values[0]]
        case ast.For() | ast.AsyncFor():
            return [*node.orelse], [node.iter, node.target, *node.body]
        case ast.Match():
            return [*node.cases], [node.subject]
        case ast.Assert(msg=ast.expr() as text):
            return [text], [node.test]
        case ast.With() | ast.AsyncWith() if any(_is_exception_guard(item.context_expr) for item in node.items):
            return [], [*node.items]
        case ast.FunctionDef() | ast.AsyncFunctionDef() if not _is_called(node, called):
            return [*node.body], [node.args]
        case ast.ClassDef():
            methods = [child for child in node.body if isinstance(child, _DEFINITIONS)]
            others = [child for child in ast.iter_child_nodes(node) if child not in methods]
            return ([], [*others, *methods]) if node.name in called else ([*methods], others)
        case _ if hasattr(node, "handlers"):  # Try, and TryStar from Python 3.11 on.
            return _try_parts(node)
    return [], [*ast.iter_child_nodes(node)]


def _is_called(node: ast.FunctionDef | ast.AsyncFunctionDef, called: Collection[str]) -> bool:
    return node.name in called or bool(node.decorator_list) or node.name.startswith("__")


def _try_parts(node: Any) -> tuple[list[ast.AST], list[ast.AST]]:
    handled = any(_catches(handler.type) for handler in node.handlers)
    always = [*node.finalbody, *([] if handled else node.body)]
    return [
        *([] if handled else node.orelse),
        *(part for one_handler in node.handlers for part in one_handler.body),
    ], always


def _catches(kind: ast.expr | None) -> bool:
    """Return whether a handler may catch a NameError."""
    names = (
        {node.id for node in ast.walk(kind) if isinstance(node, ast.Name)} if kind is not None else _CATCHES_NAME_ERROR
    )
    return not names.isdisjoint(_CATCHES_NAME_ERROR)


def _is_exception_guard(context: ast.expr) -> bool:
    """Return whether a context manager handles exceptions: ``suppress(…)``, ``pytest.raises(…)``."""
    text = ast.unparse(context)
    return "suppress" in text or "aises" in text


def _defines_unseen(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return True
        if isinstance(node, (ast.Name, ast.Attribute)):
            if (node.id if isinstance(node, ast.Name) else node.attr) in _DEFINES_UNSEEN:
                return True
        elif isinstance(node, ast.alias) and node.name in _DEFINES_UNSEEN:
            return True
    return False


def _assigns_globals(value: Any) -> bool:
    """Return whether a function of the notebook may define global names."""
    if not isinstance(value, types.FunctionType) or value.__module__ != "__main__":
        return False
    return any(
        not _DEFINES_UNSEEN.isdisjoint(code.co_names)
        or any(name == "STORE_GLOBAL" for name in code_objects.instruction_names(code))
        for code in code_objects.all_codes(value.__code__)
    )
