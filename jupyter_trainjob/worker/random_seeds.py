"""Seed random number generators from the job's seed and the rank.

Called before the cell runs. Seeds the global generators that Python and NumPy seed differently in every process: that
of `random`, and ``numpy.random``'s, which scikit-learn uses without a ``random_state``. Each rank has its own seed, so
that ranks draw different batches. Not seeded are torch, whose default seed is the same constant in every process, so
that replicas start with the same weights, string hashes, and generators that the cell creates. A module that is not
imported yet is seeded when it is imported.
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
"""NumPy's seeds are smaller than this."""


def install(seed: int, *, rank: int) -> None:
    """Seed the generators of imported modules, and of others when they are imported."""
    number = (seed + rank) % SEEDS
    later = {name for name in GENERATORS if not _seed(sys.modules.get(name), number)}
    if later:
        sys.meta_path.insert(0, _SeedingFinder(later, number))


def _seed(module: types.ModuleType | None, number: int) -> bool:
    """Seed the generator of a module; return False if the module is not, or not completely, imported."""
    seed = getattr(module, "seed", None)
    if seed is None:
        return False
    seed(number)
    return True


class _SeedingFinder(MetaPathFinder):
    """Finds the modules in `later` by the other finders, with a loader that seeds them after their import."""

    def __init__(self, later: set[str], number: int) -> None:
        self._later = later
        self._number = number

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system's signature
        target: types.ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return the spec of a module in `later` with a seeding loader; None for any other module."""
        if fullname not in self._later:
            return None
        self._later.discard(fullname)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _SeedingLoader(spec.loader, self._number)
        return spec


class _SeedingLoader(Loader):
    """Wraps the loader of a module and seeds the module after loading it."""

    def __init__(self, loader: Loader, number: int) -> None:
        self._loader = loader
        self._number = number

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        """Create the module by its own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        """Restore the module's own loader, load the module by it, and seed the generator."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _seed(module, self._number)
