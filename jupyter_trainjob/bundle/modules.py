"""The modules that the code of a job imports, and which of them travel with it.

What is installed (in site-packages, or with Python) goes by its name: the runtime has it, or the job says that it has
not. What lies beside the notebook, or is installed in editable mode, exists on this computer alone: it travels as
files, whole packages with their data, as they are on the disk now. Comes after `capture` knows the code; goes to
`files`. Nothing is imported to find out.
"""

from __future__ import annotations

import ast
import dis
import functools
import importlib.machinery
import importlib.util
import os
import site
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from jupyter_trainjob.bundle import codes

LIMIT: Final = 10 * 2**20
"""Bytes of a package that travels."""
SKIPPED: Final = frozenset({"__pycache__", "node_modules", "build", "dist"})
_OURS: Final = frozenset({"jupyter_trainjob", "_trainjob_worker", "cloudpickle"})
"""The worker brings what a job needs of these."""


@dataclass(frozen=True)
class Module:
    """A module that the job imports."""

    name: str
    """Its top level."""
    by_value: bool
    files: tuple[tuple[str, Path], ...] = ()
    """Where each lies among the job's modules, and here."""

    @property
    def version(self) -> str:
        """Return its version; empty where none is known."""
        return _version(self.name)

    @property
    def size(self) -> int:
        """Return the bytes that travel."""
        return sum(path.stat().st_size for _, path in self.files)


def found(names: Iterable[str]) -> tuple[Module, ...]:
    """Return the modules behind dotted names, and those that local ones import in turn, by their names."""
    known: dict[str, Module] = {}
    waiting = sorted({name.partition(".")[0] for name in names})
    while waiting:
        name = waiting.pop()
        if name in known or name in _OURS or name == "__main__" or name in sys.builtin_module_names:
            continue
        module = _module(name)
        if module is None:
            continue
        known[name] = module
        for _, path in module.files:
            if path.suffix == ".py":
                waiting += sorted(_imported_by(path) - known.keys())
    return tuple(known[name] for name in sorted(known))


def imported(tree: ast.AST) -> set[str]:
    """Return the top levels of what a piece of code imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            names.update(str(each.value) for each in node.args[:1] if isinstance(each, ast.Constant))
    return {name.partition(".")[0] for name in names}


def imported_by(code: types.CodeType) -> set[str]:
    """Return the top levels of what a function imports when it runs."""
    return {
        str(instruction.argval).partition(".")[0]
        for each in codes.every(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname == "IMPORT_NAME" and instruction.argval
    }


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _module(name: str) -> Module | None:
    places = _places(name)
    if places is None:
        return None
    local = [place for place in places if not _installed(place)]
    if not local:
        return None if _is_pythons(places) else Module(name, by_value=False)
    files = [entry for place in local for entry in _files(name, place)]
    return Module(name, by_value=True, files=tuple(sorted(dict(files).items())))


def _places(name: str) -> list[Path] | None:
    """Return the file of a module, or the folders of a package; None if there is no such module."""
    loaded = sys.modules.get(name)
    spec = getattr(loaded, "__spec__", None)
    if spec is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            spec = None
    if spec is None:
        file = getattr(loaded, "__file__", None)
        return [Path(file)] if file else None
    if spec.submodule_search_locations is not None:
        return [Path(each) for each in spec.submodule_search_locations if Path(each).is_dir()] or None
    return [Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else None


def _files(name: str, place: Path) -> Iterator[tuple[str, Path]]:
    if place.is_file():
        yield place.name, place
        return
    top = _bounds(place)
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(each for each in folders if each not in SKIPPED and not each.startswith("."))
        for each in sorted(names):
            path = Path(folder, each)
            if each.startswith(".") or each.endswith((".pyc", ".pyo")) or not path.is_file():
                continue
            if not path.resolve().is_relative_to(top):  # A link that leads out of the package.
                continue
            yield f"{name}/{path.relative_to(place).as_posix()}", path


def _bounds(place: Path) -> Path:
    """Return the folder that links in a package may lead into: its own, or of a tree of links the project's.

    Strict editable installations of setuptools are such trees: ``PROJECT/build/__editable__.NAME``.
    """
    trees = [each for each in place.parents if each.name.startswith("__editable__.")]
    return (trees[0].parent.parent if trees else place).resolve()


@functools.lru_cache(maxsize=512)
def _parsed_imports(path: Path, _stamp: int) -> frozenset[str]:
    try:
        return frozenset(imported(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError, OSError):
        return frozenset()


def _imported_by(path: Path) -> frozenset[str]:
    return _parsed_imports(path, path.stat().st_mtime_ns)


def _installed(place: Path) -> bool:
    resolved = place.resolve()
    return any(resolved.is_relative_to(folder) for folder in _installed_folders())


def _is_pythons(places: list[Path]) -> bool:
    standard = [Path(sysconfig.get_path(each)).resolve() for each in ("stdlib", "platstdlib")]
    packages = [folder for folder in _installed_folders() if folder not in standard]
    return all(
        any(place.resolve().is_relative_to(folder) for folder in standard)
        and not any(place.resolve().is_relative_to(folder) for folder in packages)
        for place in places
    )


@functools.lru_cache(maxsize=1)
def _installed_folders() -> tuple[Path, ...]:
    paths = [sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [*site.getsitepackages(), site.getusersitepackages()]
    paths += [each for each in sys.path if Path(each).name in ("site-packages", "dist-packages")]
    return tuple({Path(each).resolve() for each in paths if each})


def _version(name: str) -> str:
    loaded = getattr(sys.modules.get(name), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
