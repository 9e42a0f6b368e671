"""How to write captured values again as Python, as far as a line can say it: for exporting a job as code.

Comes after `capture` has found the values; goes into the manifest. Modules and what can be imported become imports,
small plain values their own text (unless that looks like a credential), functions and classes of the notebook the place
of their source, whose text travels for tracebacks anyway. What those use in turn gets a recipe as well, since it would
be missing otherwise. Nothing is pickled, unpickled or read for it.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from jupyter_trainjob.bundle import codes, credentials
from jupyter_trainjob.bundle.notebook import is_ipythons
from jupyter_trainjob.worker.manifest import Recipe

LIMIT: Final = 200
"""Recipes in a bundle."""
TEXT_LIMIT: Final = 200
ITEMS_LIMIT: Final = 50
_PLAIN: Final = (int, float, complex, bool, str, bytes, type(None))
_PUBLIC: Final = {
    "jupyter_trainjob.worker.folder": "jupyter_trainjob",
    "jupyter_trainjob.worker.report": "jupyter_trainjob",
}
"""Where a user imports from what lies in these modules."""


def recipes(
    values: Mapping[str, Any],
    namespace: Mapping[str, Any],
    cells: Mapping[str, str],
    *,
    without: Collection[str] = (),
) -> tuple[Recipe, ...]:
    """Return a recipe for each of `values`, and for each name of the `namespace` that their functions use.

    What a function uses comes before it, but for names in `without`. `cells` maps the file names of executed code to
    what cells are called.
    """
    found: dict[str, Recipe] = {}
    begun: set[str] = set()

    def add(name: str, value: Any) -> None:
        if name in begun or len(begun) >= LIMIT:
            return
        begun.add(name)
        for used in _used(value):
            if used in namespace and used not in without and not is_ipythons(used, namespace[used]):
                add(used, namespace[used])
        found[name] = _recipe(name, value, cells)

    for name, value in values.items():
        add(name, value)
    return tuple(found.values())


def first_code(value: Any) -> types.CodeType | None:
    """Return the code of a function of the notebook, or of the first method of a class of it."""
    return min(_codes(value), key=lambda code: code.co_firstlineno, default=None)


def place(code: types.CodeType, cells: Mapping[str, str]) -> tuple[str, int]:
    """Return what the cell of some code is called, and its line."""
    return cells.get(code.co_filename) or Path(code.co_filename).name, code.co_firstlineno


def _recipe(name: str, value: Any, cells: Mapping[str, str]) -> Recipe:
    kind = type(value).__qualname__
    if isinstance(value, types.ModuleType):
        whole = value.__name__
        plain = whole == name
        return Recipe(name, kind, statement=f"import {whole}" if plain else f"import {whole} as {name}")
    code = first_code(value)
    if code is not None:
        label, line = place(code, cells)
        return Recipe(name, kind, label=label, line=line)
    if origin := _importable(value):
        module, known = origin
        return Recipe(name, kind, statement=f"from {module} import {known}{'' if known == name else f' as {name}'}")
    shown = _is_small(value) and not credentials.in_values({name: value})
    return Recipe(name, kind, literal=repr(value) if shown else "")


def _importable(value: Any) -> tuple[str, str] | None:
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return None
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or module == "__main__" or not name.isidentifier():
        return None
    known = getattr(sys.modules.get(module), name, None)
    return (_PUBLIC.get(module, module), name) if known is value else None


def _is_small(value: Any) -> bool:
    """Whether the text of a value makes an equal one."""
    left = ITEMS_LIMIT

    def plain(part: Any) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
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


def _codes(value: Any) -> list[types.CodeType]:
    if not isinstance(value, (type, types.FunctionType)) or value.__module__ != "__main__":
        return []
    if isinstance(value, types.FunctionType):
        return [value.__code__]
    members = vars(value).values() if isinstance(value, type) else ()
    return [item.__code__ for item in members if isinstance(item, types.FunctionType)]


def _used(value: Any) -> Iterator[str]:
    """Yield the global names that a function or class of the notebook uses."""
    for code in _codes(value):
        for each in codes.every(code):
            yield from each.co_names
    if isinstance(value, type) and value.__module__ == "__main__":
        yield from (base.__name__ for base in value.__bases__)
