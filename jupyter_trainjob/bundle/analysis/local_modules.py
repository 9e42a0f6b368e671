"""Find the modules that a job's code imports, and decide which of them are sent.

Installed modules (in site-packages, or Python's own) are referred to by name, and have to be installed in the image.
Modules beside the notebook, or installed in editable mode, exist on this computer only: they are sent as files, whole
packages with their data, in their current state on the disk. Nothing is imported to find them.
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

from jupyter_trainjob.bundle.analysis import code_objects
from jupyter_trainjob.errors import CaptureError

LIMIT: Final = 10 * 2**20
"""Maximum size in bytes of a package that is sent."""
SKIPPED: Final = frozenset({"__pycache__", "node_modules", "build", "dist"})
_SHIPPED: Final = frozenset({"jupyter_trainjob", "_trainjob_worker", "cloudpickle"})
"""Packages that ``job.pyz`` contains."""


@dataclass(frozen=True)
class JobModule:
    """A module that the job imports."""

    name: str
    """Name of the top-level module."""
    by_value: bool
    files: tuple[tuple[str, Path], ...] = ()
    """Path of each file below the job's modules, and on this computer."""

    @property
    def version(self) -> str:
        """Return its version; empty if it is unknown."""
        return _version(self.name)

    @property
    def size(self) -> int:
        """Return the bytes that are sent."""
        return sum(path.stat().st_size for _, path in self.files)


def find_modules(names: Iterable[str]) -> tuple[JobModule, ...]:
    """Return the modules of dotted names and those that local ones import in turn, sorted by name."""
    modules: dict[str, JobModule] = {}
    waiting = sorted({name.partition(".")[0] for name in names})
    while waiting:
        name = waiting.pop()
        if name in modules or name in _SHIPPED or name == "__main__" or name in sys.builtin_module_names:
            continue
        module = _find_module(name)
        if module is None:
            continue
        modules[name] = module
        for _, path in module.files:
            if path.suffix == ".py":
                waiting += sorted(_imports_of_file(path) - modules.keys())
    return tuple(modules[name] for name in sorted(modules))


def check_sendable(names: Iterable[str]) -> None:
    """Raise `errors.CaptureError` for a module of the notebook that no job could import."""
    parts = [dotted.split(".") for dotted in names]
    for name in sorted({".".join(words[:end]) for words in parts for end in range(1, len(words) + 1)}):
        module = sys.modules.get(name)
        reason = (
            _unsendable_reason(name, module) if isinstance(module, types.ModuleType) and name not in _SHIPPED else ""
        )
        if reason:
            raise CaptureError(
                f"The module {name} cannot be sent to the job: {reason}. Write it to a file beside the notebook and "
                "import it from there, or define what you need of it in a cell. Nothing was sent."
            )


def unconditional_imports(tree: ast.Module) -> set[str]:
    """Return the full names of the modules that a cell imports at its top level, outside of branches."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def _unsendable_reason(name: str, module: types.ModuleType) -> str:
    """Return why an imported module can neither be sent nor found in the job; empty if it can."""
    spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
    if spec is None and file is None:
        created = "." not in name and name not in ("__main__", "__mp_main__")
        return "it was created in sys.modules, without a file" if created else ""
    archive = getattr(getattr(spec, "loader", None), "archive", None)  # Set by zipimporter.
    if isinstance(archive, str):
        return "" if _is_installed(Path(archive)) else f"it is in the archive {archive}"
    origin = spec.origin if spec is not None and spec.has_location else file
    if origin is None or not Path(origin).is_absolute():  # Some have an origin such as "_ops.py" and no file.
        return ""
    return "" if Path(origin).exists() else f"its file {origin} does not exist"


def imported_modules(tree: ast.AST) -> set[str]:
    """Return the top-level modules that some code imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and _called_name(node.func) in ("import_module", "__import__"):
            names.update(str(alias.value) for alias in node.args[:1] if isinstance(alias, ast.Constant))
    return {name.partition(".")[0] for name in names}


def modules_imported_by(code: types.CodeType) -> set[str]:
    """Return the top-level modules that a function imports when it is called."""
    return {
        str(instruction.argval).partition(".")[0]
        for nested in code_objects.all_codes(code)
        for instruction in dis.get_instructions(nested)
        if instruction.opname == "IMPORT_NAME" and instruction.argval
    }


def _called_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _find_module(name: str) -> JobModule | None:
    paths = _module_paths(name)
    if paths is None:
        return None
    local = [path for path in paths if not _is_installed(path)]
    if not local:
        return None if _is_standard_library(paths) else JobModule(name, by_value=False)
    files = [entry for path in local for entry in _files(name, path)]
    return JobModule(name, by_value=True, files=tuple(sorted(dict(files).items())))


def _module_paths(name: str) -> list[Path] | None:
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
        return [Path(location) for location in spec.submodule_search_locations if Path(location).is_dir()] or None
    return [Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else None


def _files(name: str, root: Path) -> Iterator[tuple[str, Path]]:
    if root.is_file():
        yield root.name, root
        return
    top = _link_root(root)
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(entry for entry in folders if entry not in SKIPPED and not entry.startswith("."))
        for entry in sorted(names):
            path = Path(folder, entry)
            if entry.startswith(".") or entry.endswith((".pyc", ".pyo")) or not path.is_file():
                continue
            if not path.resolve().is_relative_to(top):  # A link out of the package.
                continue
            yield f"{name}/{path.relative_to(root).as_posix()}", path


def _link_root(root: Path) -> Path:
    """Return the folder that links in a package may lead into: its own or, for a tree of links, the project's.

    Strict editable installations of setuptools are such trees: ``PROJECT/build/__editable__.NAME``.
    """
    trees = [parent for parent in root.parents if parent.name.startswith("__editable__.")]
    return (trees[0].parent.parent if trees else root).resolve()


@functools.lru_cache(maxsize=512)
def _parsed_imports(path: Path, _stamp: int) -> frozenset[str]:
    try:
        return frozenset(imported_modules(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError, OSError):
        return frozenset()


def _imports_of_file(path: Path) -> frozenset[str]:
    return _parsed_imports(path, path.stat().st_mtime_ns)


def _is_installed(path: Path) -> bool:
    resolved = path.resolve()
    return any(resolved.is_relative_to(folder) for folder in _installed_folders())


def _is_standard_library(paths: list[Path]) -> bool:
    standard = [Path(sysconfig.get_path(scheme)).resolve() for scheme in ("stdlib", "platstdlib")]
    packages = [folder for folder in _installed_folders() if folder not in standard]
    return all(
        any(path.resolve().is_relative_to(folder) for folder in standard)
        and not any(path.resolve().is_relative_to(folder) for folder in packages)
        for path in paths
    )


def _installed_folders() -> tuple[Path, ...]:
    return _installed_among(tuple(sys.path))  # A notebook may change it at any time.


@functools.lru_cache(maxsize=1)
def _installed_among(search_path: tuple[str, ...]) -> tuple[Path, ...]:
    paths = [sysconfig.get_path(location) for location in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [*site.getsitepackages(), site.getusersitepackages()]
    paths += [location for location in search_path if Path(location).name in ("site-packages", "dist-packages")]
    return tuple({Path(location).resolve() for location in paths if location})


def _version(name: str) -> str:
    loaded = getattr(sys.modules.get(name), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
