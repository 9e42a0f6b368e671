"""Files beside the notebook that the code of a job names, and that would not be there where it runs.

Comes after everything is known that travels: the cell, the functions of the notebook that it uses, the local modules.
What a text names counts only if there is such a file; what the code writes itself is not missed.
"""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from jupyter_trainjob.bundle import codes
from jupyter_trainjob.bundle.modules import Module

_READERS: Final = ("open", "read", "load", "Path", "imread", "genfromtxt", "memmap")
_WRITERS: Final = ("save", "write", "dump", "to_", "mkdir", "touch", "export", "create", "output")
LONGEST: Final = 256
"""Characters of a path."""


def files(texts: Iterable[str], folder: Path, sent: Iterable[str]) -> tuple[str, ...]:
    """Return those of the `texts` that are files of `folder` and are not `sent`, in their order."""
    have = set(sent)
    found = (text for text in texts if text not in have and _is_below(folder, text))
    return tuple(dict.fromkeys(found))


def named(tree: ast.AST) -> set[str]:
    """Return the texts in a piece of code that may be paths, without those that it writes to."""
    nodes = list(ast.walk(tree))
    written = {id(node) for call in nodes if isinstance(call, ast.Call) and _writes(call) for node in call.args}
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in written
        and _may_be_path(node.value)
    }


def named_by_functions(functions: Iterable[types.CodeType], sources: Mapping[str, str]) -> Iterator[str]:
    """Yield the same for functions, by the source text of their files where that is known."""
    for code in functions:
        texts = {text for text in codes.texts(code) if _may_be_path(text)}
        if not texts:
            continue
        yield from sorted(texts & _by_line(sources.get(code.co_filename, "")).get(code.co_firstlineno, texts))


def named_by_modules(modules: Iterable[Module]) -> Iterator[str]:
    """Yield what the modules that travel as files read: they may name more for reasons of their own."""
    for module in modules:
        for _, path in module.files:
            if path.suffix == ".py":
                yield from sorted(_named_by_file(path, path.stat().st_mtime_ns))


@functools.lru_cache(maxsize=256)
def _by_line(text: str) -> dict[int, set[str]]:
    """Return what the functions of a source text name, by their first lines; nothing if it is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found: dict[int, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            found[first] = found.get(first, set()) | named(node)
    return found


@functools.lru_cache(maxsize=2048)
def _named_by_file(path: Path, _changed: int) -> frozenset[str]:
    try:
        return frozenset(_read_by(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError, OSError):
        return frozenset()


def _read_by(tree: ast.AST) -> set[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    arguments = [
        each for call in calls if _called(call).startswith(_READERS) and not _writes(call) for each in call.args
    ]
    texts = [each.value for each in arguments if isinstance(each, ast.Constant)]
    return {text for text in texts if isinstance(text, str) and _may_be_path(text)}


def _is_below(folder: Path, text: str) -> bool:
    """Whether a text names a file of a folder. What lies elsewhere could not be sent under its name."""
    path = Path(text)
    return (not path.is_absolute() or path.is_relative_to(folder)) and (folder / path).is_file()


def _may_be_path(text: str) -> bool:
    return 0 < len(text) < LONGEST and "\n" not in text and "://" not in text and ("." in text or "/" in text)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else str(getattr(call.func, "id", ""))


def _writes(call: ast.Call) -> bool:
    name = _called(call)
    if name == "open":
        modes = [*call.args[1:2], *(each.value for each in call.keywords if each.arg == "mode")]
        return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax") for mode in modes)
    return any(name.startswith(each) for each in _WRITERS)
