"""Names that nobody writes: ``unittest.main()`` and ``doctest.testmod()`` look for tests in ``__main__`` themselves.

Pure: source tree and namespace in, names out.
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Mapping
from typing import Any


def collected(tree: ast.AST, namespace: Mapping[str, Any]) -> list[str]:
    """Return the notebook's names that a cell takes by collecting tests."""
    calls = {
        (node.func.value.id, node.func.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    }
    return [
        name
        for name, value in namespace.items()
        if (("unittest", "main") in calls and _is_a_test(value))
        or (("doctest", "testmod") in calls and _has_examples(value))
    ]


def _is_a_test(value: Any) -> bool:
    unittest = sys.modules.get("unittest")
    return isinstance(value, type) and unittest is not None and issubclass(value, unittest.TestCase)


def _has_examples(value: Any) -> bool:
    if not isinstance(value, (type, types.FunctionType)) or value.__module__ != "__main__":
        return False
    docs = [value.__doc__, *(getattr(each, "__doc__", None) for each in vars(value).values())]
    return any(isinstance(doc, str) and ">>>" in doc for doc in docs)
