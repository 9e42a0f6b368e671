"""Submodules that the notebook has imported and the code reaches through their packages: ``xml.etree.ElementTree``.

Pickle refers to a package by name, and importing a package does not import its submodules. They are listed in the
manifest, and the job imports them first. A submodule counts if all parts of its name are attributes somewhere in the
code: one that is not needed costs an import that the notebook has done, too.
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Collection, Iterable, Iterator

from jupyter_trainjob.bundle.analysis import code_objects


def used_submodules(packages: Iterable[str], words: Collection[str]) -> tuple[str, ...]:
    """Return the imported submodules of `packages` that code with the attributes and names in `words` can reach."""
    roots = set(packages)
    return tuple(
        sorted(
            name
            for name, module in list(sys.modules.items())
            if isinstance(module, types.ModuleType) and _is_reached(name, roots, words) and _is_attribute(name)
        )
    )


def attribute_names(tree: ast.AST | None, functions: Iterable[types.CodeType]) -> set[str]:
    """Return the attributes and imported names in a cell and in functions."""
    names = {name for code in functions for nested in code_objects.all_codes(code) for name in nested.co_names}
    words = {word for name in names for word in _split(name)}
    return words.union(*(_words(node) for node in ast.walk(tree))) if tree is not None else words


def imported_packages(tree: ast.AST | None) -> set[str]:
    """Return the modules that a cell imports, by their full names."""
    packages: set[str] = set()
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            packages |= {alias.name for alias in node.names} | {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            packages |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return packages


def _words(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.alias):
        yield from _split(node.name)
    elif isinstance(node, ast.ImportFrom):
        yield from _split(node.module or "")


def _split(name: str) -> list[str]:
    return name.split(".")


def _is_reached(name: str, roots: Collection[str], words: Collection[str]) -> bool:
    parts = _split(name)
    return any(
        ".".join(parts[:end]) in roots and all(word in words for word in parts[end:]) for end in range(1, len(parts))
    )


def _is_attribute(name: str) -> bool:
    """Return whether a submodule is an attribute of its package."""
    package, _, word = name.rpartition(".")
    return vars(sys.modules[package]).get(word) is sys.modules[name] if package in sys.modules else False
