"""Private names in classes as Python has them: ``__rate`` in ``class Net`` is the name ``_Net__rate``.

Comes before the analysis of names. Only where a name is bound or read: attributes are no names of the notebook.
"""

from __future__ import annotations

import ast
import copy
from typing import Final

_FIELDS: Final = ("id", "arg", "name", "asname", "rest")


def mangled(tree: ast.Module) -> ast.Module:
    """Return a tree with the names that its private names stand for; the same tree if it has none."""
    inside = [each for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for each in ast.walk(node)]
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
        # Without letters, a class has no private names.
        return f"_{self._owner}{name}" if self._owner and _is_private(name) else name

    def visit(self, node: ast.AST) -> ast.AST:
        """Change the names of a node, then what is in it."""
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
        for each in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(each)
        outer, self._owner = self._owner, inner
        for each in [*getattr(node, "type_params", ()), *node.body]:
            self.visit(each)
        self._owner = outer
        return node
