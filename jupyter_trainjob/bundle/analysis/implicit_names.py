"""Find names that code reads from ``__main__`` by other ways than as its globals.

``unittest.main()`` and ``doctest.testmod()`` collect tests there; ``from __main__ import f``, also in strings such as
the setup of `timeit`, ``__main__.f`` and ``globals()["f"]`` contain the name. Pure functions of tree and namespace.
"""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jupyter_trainjob.bundle.analysis import code_objects

_IMPORT: Final = re.compile(r"\bfrom\s+__main__\s+import\s+\(?([\w\s,]+)")


def implicit_names(tree: ast.AST, namespace: Mapping[str, Any]) -> list[str]:
    """Return the notebook's names that a cell reads from ``__main__``, or by collecting tests."""
    calls = {
        (node.func.value.id, node.func.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    }
    named = set(_names_of_main(tree))
    return [
        name
        for name, value in namespace.items()
        if name in named
        or (("unittest", "main") in calls and _is_test_case(value))
        or (("doctest", "testmod") in calls and _has_examples(value))
    ]


def names_taken_from_main(code: types.CodeType) -> set[str]:
    """Return the names that a function may read from ``__main__``: all that it uses, if it names that module."""
    codes = [*code_objects.all_codes(code)]
    named = {name for nested in codes if "__main__" in nested.co_names for name in nested.co_names}
    return named.union(*map(_imported_from_main, code_objects.string_constants(code)))


def _names_of_main(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a cell reads from ``__main__``."""
    mains = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "__main__"
    }
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="__main__"):
                yield from (alias.name for alias in node.names)
            case ast.Attribute(value=ast.Name(id=name)) if name in mains:
                yield node.attr
            case ast.Attribute(value=ast.Subscript(slice=ast.Constant(value="__main__"))):
                yield node.attr
            case ast.Call(func=ast.Name(id="getattr"), args=[ast.Name(id=name), ast.Constant(value=str(text)), *_]):
                if name in mains:
                    yield text
            case ast.Subscript(value=ast.Call(func=ast.Name(id="globals" | "vars")), slice=ast.Constant(str(text))):
                yield text
            case ast.Constant(value=str(text)):
                yield from _imported_from_main(text)


def _imported_from_main(text: str) -> set[str]:
    """Return the names that Python source in a string imports from ``__main__``."""
    return {name for imported in _IMPORT.findall(text) for name in re.findall(r"\w+", imported)}


def _is_test_case(value: Any) -> bool:
    unittest = sys.modules.get("unittest")
    return isinstance(value, type) and unittest is not None and issubclass(value, unittest.TestCase)


def _has_examples(value: Any) -> bool:
    if not isinstance(value, (type, types.FunctionType)) or value.__module__ != "__main__":
        return False
    docs = [value.__doc__, *(getattr(member, "__doc__", None) for member in vars(value).values())]
    return any(isinstance(doc, str) and ">>>" in doc for doc in docs)
