"""Find local files that a job's code opens and that would be missing where it runs.

Searches the cell, the functions of the notebook that it uses, and the local modules that are sent. A string counts only
if there is such a file, and if the code does not write the file itself.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Final

from jupyter_trainjob.bundle.analysis import code_objects
from jupyter_trainjob.bundle.analysis.local_modules import JobModule

_READERS: Final = ("open", "read", "load", "Path", "imread", "genfromtxt", "from", "memmap", "scan_", "File", "ZipFile")
_WRITERS: Final = ("save", "write", "dump", "to_", "mkdir", "touch", "export", "create", "output")
_MODES: Final = ("open", "memmap", "File", "ZipFile")
"""Calls that read or write depending on a mode such as ``"wb"``."""
PATH_LENGTH: Final = 256
"""Maximum length of a path in characters."""


def existing_unsent(texts: Iterable[str], folder: Path, sent: Iterable[str]) -> tuple[str, ...]:
    """Return those of the `texts` that are files below `folder` and are not `sent`, in their order."""
    sent_paths = set(sent)
    matches = (text for text in texts if os.path.normpath(text) not in sent_paths and _is_below(folder, text))
    return tuple(dict.fromkeys(matches))


def named_paths(tree: ast.AST) -> set[str]:
    """Return the strings in some code that may be paths, without those that it writes to."""
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    read = {id(argument) for call in calls if _reads(call) for argument in _arguments(call)}
    written: dict[str, tuple[int, int]] = {}
    joined = (node for node in nodes if not isinstance(node, ast.Constant) and _path_text(node) is not None)
    excluded = {id(part) for node in joined for part in ast.walk(node) if part is not node}
    for call in calls:
        for node in _written_nodes(call) if _writes(call) else ():
            excluded.add(id(node))
            if (text := _path_text(node)) is not None:
                written[text] = min(_position(call), written.get(text, _position(call)))
    return {
        text
        for node in nodes
        if id(node) not in excluded
        and (text := _path_text(node)) is not None
        and (_may_be_path(text) or (id(node) in read and _may_be_name(text)))
        and not (text in written and written[text] < _position(node))
    }


def paths_named_by_functions(functions: Iterable[types.CodeType], sources: Mapping[str, str]) -> Iterator[str]:
    """Yield the same for functions; `sources` maps their file names to source text."""
    for code in functions:
        texts = set(code_objects.string_constants(code))
        if not texts:
            continue
        paths = {text for text in texts if _may_be_path(text)}
        named = _paths_by_line(sources.get(code.co_filename, "")).get(code.co_firstlineno, paths)
        # Skip strings of another function that starts on this line.
        yield from sorted(path for path in named if path in texts or texts.issuperset(PurePath(path).parts))


def paths_named_by_modules(modules: Iterable[JobModule]) -> Iterator[str]:
    """Yield the paths that modules sent as files read; other strings in them are ignored."""
    for module in modules:
        for _, path in module.files:
            if path.suffix == ".py":
                yield from sorted(_paths_named_by_file(path, path.stat().st_mtime_ns))


@functools.lru_cache(maxsize=256)
def _paths_by_line(text: str) -> dict[int, set[str]]:
    """Return the paths in the functions of a source text by their first lines; empty if it is invalid."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    paths: dict[int, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])
            paths[first] = paths.get(first, set()) | named_paths(node)
    return paths


@functools.lru_cache(maxsize=2048)
def _paths_named_by_file(path: Path, _changed: int) -> frozenset[str]:
    try:
        return frozenset(_paths_read(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError, OSError):
        return frozenset()


def _paths_read(tree: ast.AST) -> set[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    texts = [_path_text(argument) for call in calls if _reads(call) for argument in _arguments(call)]
    return {text for text in texts if text is not None and _may_be_path(text)}


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _path_text(node: ast.AST) -> str | None:
    """Return the value of a string expression, also of one that joins paths; None if it is not constant."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    parts: list[ast.expr] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts = [node.left, node.right]
    elif isinstance(node, ast.Call) and _called_name(node) in ("join", "joinpath", "Path") and not node.keywords:
        before = [node.func.value] if isinstance(node.func, ast.Attribute) and node.func.attr == "joinpath" else []
        parts = [*before, *node.args]
    texts = [_path_text(part) for part in parts]
    constants = [text for text in texts if text]
    return str(PurePath(*constants)) if constants and len(constants) == len(texts) else None


def _written_nodes(call: ast.Call) -> Iterator[ast.AST]:
    """Yield the nodes in the arguments of a call that writes, without those that other calls read."""
    target = call.func.value if isinstance(call.func, ast.Attribute) else None
    waiting: list[ast.AST] = [*_arguments(call), *([target] if target is not None else [])]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and _called_name(node) != "Path" and _reads(node):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _is_below(folder: Path, text: str) -> bool:
    """Whether `text` is the path of a file below `folder`. Other files could not be sent under their names."""
    path = Path(text)
    return (not path.is_absolute() or path.is_relative_to(folder)) and (folder / path).is_file()


def _may_be_path(text: str) -> bool:
    return _may_be_name(text) and ("." in text or "/" in text)


def _may_be_name(text: str) -> bool:
    return 0 < len(text) < PATH_LENGTH and "\n" not in text and "\0" not in text and "://" not in text


def _called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else str(getattr(call.func, "id", ""))


def _reads(call: ast.Call) -> bool:
    return _called_name(call).startswith(_READERS) and not _writes(call)


def _writes(call: ast.Call) -> bool:
    name = _called_name(call)
    if name in _MODES:  # The mode is the first argument of `Path.open`, else the second.
        modes = [*call.args[:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        return any(isinstance(mode, ast.Constant) and _WRITING.fullmatch(str(mode.value)) for mode in modes)
    return name.startswith(_WRITERS)


_WRITING: Final = re.compile(r"(?=.*[wax])[wxarbt+]{1,4}")
