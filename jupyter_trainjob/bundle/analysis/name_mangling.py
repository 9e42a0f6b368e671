"""Private names in classes as Python has them: ``__rate`` in ``class Net`` is the name ``_Net__rate``.

Applied before the analysis of names, to names that are bound or read; attributes are no names of the notebook.
"""

from __future__ import annotations

import ast
import copy
from typing import Final

_FIELDS: Final = ("id", "arg", "name", "asname", "rest")


def mangle_names(tree: ast.Module) -> ast.Module:
    """Return a tree with mangled private names; the same tree if it has none."""
    inside = [inner for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for inner in ast.walk(node)]
    if not any(_is_private(name) for node in inside for name in _names(node)):
        return tree
    changed = copy.deepcopy(tree)
    _Mangler().visit(changed)
    return changed


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, (ast.Global, ast.Nonlocal)):
        return node.names
    return [name for field in _FIELDS if isinstance(name := getattr(node, field, None), str)]


def _is_private(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__") and "." not in name


class _Mangler(ast.NodeTransformer):
    def __init__(self) -> None:
        self._owner = ""

    def _mangle(self, name: str) -> str:
        # In a class whose name has only underscores, Python does not mangle names.
        return f"_{self._owner}{name}" if self._owner and _is_private(name) else name

    def visit(self, node: ast.AST) -> ast.AST:
        """Mangle the names of a node, then those of its children."""
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            node.names = [self._mangle(name) for name in node.names]
            return node
        inner = node.name.lstrip("_") if isinstance(node, ast.ClassDef) else self._owner
        for field in _FIELDS:
            name = getattr(node, field, None)
            if isinstance(name, str):
                setattr(node, field, self._mangle(name))
        if not isinstance(node, ast.ClassDef):
            return self.generic_visit(node)
        for child in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(child)
        outer, self._owner = self._owner, inner
        for child in [*getattr(node, "type_params", ()), *node.body]:
            self.visit(child)
        self._owner = outer
        return node
