"""Random numbers that come again when a job is run again: each rank seeds from the job's seed and its own number.

Called before the cell runs. Seeded are the generators that are global and that every process would otherwise begin
somewhere else: that of `random`, and NumPy's (``numpy.random.rand`` and what scikit-learn takes without a
``random_state``). Ranks differ, as they must to draw different batches. Left alone are torch, whose default seed is one
constant in every process, so that replicas begin with the same weights, the hashes of strings, and generators that
the cell makes itself. What is imported only later is seeded when it is: nothing is imported for it.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Final

GENERATORS: Final = ("random", "numpy.random")
SEEDS: Final = 2**32
"""NumPy takes smaller numbers alone."""


def install(seed: int, *, rank: int) -> None:
    """Seed what is imported already, and the others when they are."""
    number = (seed + rank) % SEEDS
    later = {name for name in GENERATORS if not _seed(sys.modules.get(name), number)}
    if later:
        sys.meta_path.insert(0, _Imports(later, number))


def _seed(module: types.ModuleType | None, number: int) -> bool:
    """Seed the generator of a module; False if that is not imported, or only half."""
    begin = getattr(module, "seed", None)
    if begin is None:
        return False
    begin(number)
    return True


class _Imports(MetaPathFinder):
    """Lets the modules in `later` be found as ever, and has them seeded as soon as they are imported."""

    def __init__(self, later: set[str], number: int) -> None:
        self._later = later
        self._number = number

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system's signature
        target: types.ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return the spec of a module that is to be seeded, with a loader that does; None for all others."""
        if fullname not in self._later:
            return None
        self._later.discard(fullname)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Seeding(spec.loader, self._number)
        return spec


class _Seeding(Loader):
    """The loader of a module, which seeds what it loaded."""

    def __init__(self, loader: Loader, number: int) -> None:
        self._loader = loader
        self._number = number

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        """Leave it to the module's own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        """Load it, with its own loader in its place again, and seed."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _seed(module, self._number)
