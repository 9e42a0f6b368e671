"""Write a bundle as one Python program: the captured names that have a recipe, and the cell.

Takes a bundle's manifest; returns code, and the names that it lacks. Nothing is unpickled: recipes were written when
the cell was packed (see ``bundle.source_recipes``).
"""

from __future__ import annotations

import ast
import re
import textwrap

from jupyter_trainjob.bundle.capture import ARGUMENT, THE_CALL
from jupyter_trainjob.constants import MAGIC
from jupyter_trainjob.worker.manifest import CELL, Manifest, Recipe

_LINE = re.compile(rf"# {MAGIC}.*\n")
"""The placeholder for the magic line in the stored source."""
_STAND_IN = """\
import importlib.util, sys, types
if importlib.util.find_spec("jupyter_trainjob") is None:  # Then report() prints.
    sys.modules["jupyter_trainjob"] = types.SimpleNamespace(report=lambda **said: print(said, flush=True))
"""


def cell_source(manifest: Manifest) -> str:
    """Return the source of a cell without the line of the magic."""
    return _LINE.sub("", manifest.source, count=1) if _LINE.match(manifest.source) else manifest.source


def program_text(manifest: Manifest) -> str:
    """Return the code: imports, the other recipes, then the cell, or the function and its call."""
    written = _recipes(manifest)
    imports = [recipe.statement for recipe in manifest.recipes if recipe.statement and _is_name(recipe.name)]
    imports += [f"import {name}" for name in manifest.imports]
    others = [text for text in written.values() if text not in imports]
    code = cell_source(manifest) if manifest.kind == CELL else _call(manifest)
    body = "\n".join([*imports, *others, code]).rstrip() + "\n"
    return f"{_STAND_IN}{body}" if "jupyter_trainjob" in body else body


def missing_values(manifest: Manifest) -> list[str]:
    """Return the names used by the code that have no source text, each with its type."""
    written = _recipes(manifest)
    known = {value.name: value.type for value in manifest.values} | {
        recipe.name: recipe.type for recipe in manifest.recipes
    }
    literal = {recipe.name for recipe in manifest.recipes if recipe.literal}
    lost = [name for name in known if name != THE_CALL and name not in written and name not in literal]
    return [f"{_placeholder(name)} ({known[name]})" for name in lost if name != _own_name(manifest)]


def _own_name(manifest: Manifest) -> str:
    """Return the name of the sent function, whose source is in the manifest."""
    return "" if manifest.kind == CELL or not manifest.source else manifest.filename.removesuffix("()")


def _recipes(manifest: Manifest) -> dict[str, str]:
    """Return the Python code that defines a name, for each name that has a recipe."""
    texts = {source.label: source.text for source in manifest.sources.values()}
    statements: dict[str, str] = {}
    for recipe in manifest.recipes:
        if not _is_name(recipe.name):
            continue
        if recipe.statement:
            statements[recipe.name] = recipe.statement
        elif recipe.literal:
            statements[recipe.name] = f"{recipe.name} = {recipe.literal}"
        elif recipe.label in texts and (text := _definition(texts[recipe.label], recipe)):
            statements[recipe.name] = text
    return statements


def _definition(text: str, recipe: Recipe) -> str:
    """Return the statement of a cell that defines a function or class; empty if it cannot be found."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ""
    for node in tree.body:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        if first <= recipe.line <= (node.end_lineno or node.lineno):
            definition = _own_decorators_off("\n".join(text.splitlines()[first - 1 : node.end_lineno]))
            known = _defined(node) or recipe.name
            return definition if known == recipe.name else f"{definition}\n{recipe.name} = {known}"
    return ""


def _defined(node: ast.stmt) -> str:
    """Return the name that a definition, or the assignment of a lambda, binds."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return str(getattr(node, "name", ""))


def _own_decorators_off(text: str) -> str:
    """Return a definition without ``@trainjob``, since the decorated function runs inside of the job."""
    lines = text.splitlines()
    try:
        (node,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        return text
    for decorator in reversed(getattr(node, "decorator_list", [])):
        named = decorator.func if isinstance(decorator, ast.Call) else decorator
        if getattr(named, "id", getattr(named, "attr", "")) == "trainjob":
            del lines[decorator.lineno - 1 : decorator.end_lineno]
    return "\n".join(lines)


def _call(manifest: Manifest) -> str:
    """Return the call of the sent function, with the arguments that have a recipe."""
    arguments = []
    for recipe in manifest.recipes:
        if recipe.name.startswith(ARGUMENT):
            which = recipe.name.removeprefix(ARGUMENT)
            value = recipe.literal or _placeholder(recipe.name)
            arguments.append(value if which.isdigit() else f"{which}={value}")
    name = manifest.filename.removesuffix("()")
    own = "" if name in _recipes(manifest) else f"{_own_decorators_off(textwrap.dedent(manifest.source)).rstrip()}\n"
    return f"{own}{name}({', '.join(arguments)})\n"


def _is_name(name: str) -> bool:
    return name.isidentifier()


def _placeholder(name: str) -> str:
    return name.replace(" ", "_")
