"""Write captured values as Python source, as far as one line can: for exports.

Modules and importable objects become imports, small plain values literals (unless they look like credentials), and
functions and classes of the notebook references to their source, which is sent for tracebacks anyway. The names that
those use get recipes, too. Nothing is pickled or unpickled.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jupyter_trainjob.bundle import credential_scan
from jupyter_trainjob.bundle.analysis import code_objects
from jupyter_trainjob.bundle.analysis.ipython_names import is_ipython_owned
from jupyter_trainjob.worker.manifest import Recipe

LIMIT: Final = 200
"""Maximum of recipes in a bundle."""
TEXT_LIMIT: Final = 200
ITEMS_LIMIT: Final = 50
_PLAIN: Final = (int, float, complex, bool, str, bytes, type(None))
_PUBLIC: Final = {
    "jupyter_trainjob.worker.storage.job_dirs": "jupyter_trainjob",
    "jupyter_trainjob.worker.report": "jupyter_trainjob",
}
"""Packages from which users import the objects of these modules."""


def build_recipes(
    values: Mapping[str, Any],
    namespace: Mapping[str, Any],
    cells: Mapping[str, str],
    *,
    without: Collection[str] = (),
) -> tuple[Recipe, ...]:
    """Return a recipe for each of `values`, and for each name of the `namespace` that their functions use.

    What a function uses comes before it, except for names in `without`. `cells` maps the file names of executed code to
    labels of cells.
    """
    recipes: dict[str, Recipe] = {}
    visited: set[str] = set()

    def add(name: str, value: Any) -> None:
        if name in visited or len(visited) >= LIMIT:
            return
        visited.add(name)
        for used in _names_used(value):
            if used in namespace and used not in without and not is_ipython_owned(used, namespace[used]):
                add(used, namespace[used])
        recipes[name] = _build_recipe(name, value, cells)

    for name, value in values.items():
        add(name, value)
    return tuple(recipes.values())


def first_code(value: Any) -> types.CodeType | None:
    """Return the code of a function of the notebook, or of the first method of a class; None for other values."""
    return min(_function_codes(value), key=lambda code: code.co_firstlineno, default=None)


def source_location(code: types.CodeType, cells: Mapping[str, str]) -> tuple[str, int]:
    """Return the label of the cell of some code, and its line."""
    return cells.get(code.co_filename) or Path(code.co_filename).name, code.co_firstlineno


def _build_recipe(name: str, value: Any, cells: Mapping[str, str]) -> Recipe:
    kind = type(value).__qualname__
    if isinstance(value, types.ModuleType):
        whole = value.__name__
        plain = whole == name
        return Recipe(name, kind, statement=f"import {whole}" if plain else f"import {whole} as {name}")
    code = first_code(value)
    if code is not None:
        label, line = source_location(code, cells)
        return Recipe(name, kind, label=label, line=line)
    if origin := _importable(value):
        module, imported_name = origin
        return Recipe(
            name,
            kind,
            statement=f"from {module} import {imported_name}{'' if imported_name == name else f' as {name}'}",
        )
    has_literal = _has_short_literal(value) and not credential_scan.scan_values({name: value})
    return Recipe(name, kind, literal=repr(value) if has_literal else "")


def _importable(value: Any) -> tuple[str, str] | None:
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return None
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or module == "__main__" or not name.isidentifier():
        return None
    imported = getattr(sys.modules.get(module), name, None)
    return (_PUBLIC.get(module, module), name) if imported is value else None


def _has_short_literal(value: Any) -> bool:
    """Whether the repr of a value is short, and a literal of an equal value."""
    remaining = ITEMS_LIMIT

    def plain(part: Any) -> bool:
        nonlocal remaining
        remaining -= 1
        if remaining < 0:
            return False
        if type(part) in (list, tuple):
            return all(map(plain, part))
        if type(part) is dict:
            return all(plain(key) and plain(item) for key, item in part.items())
        if type(part) in (str, bytes):
            return len(part) <= TEXT_LIMIT
        if type(part) is int:
            return part.bit_length() <= 64
        # nan and inf have no literal.
        return type(part) in _PLAIN and (type(part) not in (float, complex) or abs(part) <= sys.float_info.max)

    return plain(value) and len(repr(value)) <= TEXT_LIMIT


def _function_codes(value: Any) -> list[types.CodeType]:
    if not isinstance(value, (type, types.FunctionType)) or value.__module__ != "__main__":
        return []
    if isinstance(value, types.FunctionType):
        return [value.__code__]
    members = vars(value).values() if isinstance(value, type) else ()
    return [item.__code__ for item in members if isinstance(item, types.FunctionType)]


def _names_used(value: Any) -> Iterator[str]:
    """Yield the global names that a function or class of the notebook uses."""
    for code in _function_codes(value):
        for nested in code_objects.all_codes(code):
            yield from nested.co_names
    if isinstance(value, type) and value.__module__ == "__main__":
        yield from (base.__name__ for base in value.__bases__)
