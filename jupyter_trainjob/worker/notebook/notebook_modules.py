"""Replace modules that draw or ask in a notebook: their functions write to the log, or refuse.

Installed before the job's first import. ``tqdm.notebook`` gets the plain bar, since there is no front end for a widget;
IPython's ``display``, which prints all its values on one line without a shell, is replaced by the worker's, and
``get_ipython`` where the cell calls it; libraries get None from it, as in a script. ``getpass`` and ``input`` raise an
error. Of these modules only `getpass` is imported for that.
"""

from __future__ import annotations

import builtins
import getpass
import importlib
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from typing import Any, Final

from . import shell


def install() -> None:
    """Patch the modules that are imported, and others when they are imported."""
    builtins.input = shell.no_input
    for name in ("getpass", "unix_getpass", "win_getpass", "fallback_getpass"):
        setattr(getpass, name, shell.no_password)
    for name, patch in _PATCHES.items():
        if name in sys.modules:
            patch(sys.modules[name])
    if not any(isinstance(finder, _PatchingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PatchingFinder())


def _use_plain_bars(module: Any) -> None:
    std: Any = importlib.import_module("tqdm.std")
    module.tqdm = module.tqdm_notebook = std.tqdm
    module.trange = module.tnrange = std.trange


def _use_plain_display(module: Any) -> None:
    module.display = shell.display


def _use_job_shell(module: Any) -> None:
    original = module.get_ipython

    def get_ipython() -> Any:
        caller = sys._getframe(1).f_globals.get("__name__")  # noqa: SLF001 - its documented name
        return shell.get_ipython() if caller == "__main__" else original()

    module.get_ipython = get_ipython


_PATCHES: Final[dict[str, Callable[[Any], None]]] = {
    "tqdm.notebook": _use_plain_bars,
    "IPython.core.display_functions": _use_plain_display,
    "IPython.core.getipython": _use_job_shell,
}
"""Functions that patch a module after its import."""


class _PatchingFinder(MetaPathFinder):
    """Finds the modules of `_PATCHES` by the other finders."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module in `_PATCHES` with a patching loader; None for any other module."""
        patch = _PATCHES.get(name)
        if patch is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _PatchingLoader(spec.loader, patch)
        return spec


class _PatchingLoader(Loader):
    def __init__(self, loader: Loader, patch: Callable[[Any], None]) -> None:
        self._loader = loader
        self._patch = patch

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        """Create the module by its own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        """Execute the module by its own loader, and patch it."""
        self._loader.exec_module(module)
        self._patch(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)  # `inspect` and `linecache` get the source from the loader.
