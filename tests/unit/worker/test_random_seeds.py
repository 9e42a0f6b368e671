"""Seeds of random number generators: the same in each run, different on each rank."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from jupyter_trainjob.worker import random_seeds


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    state, numbers, path = random.getstate(), np.random.get_state(), list(sys.meta_path)  # noqa: NPY002
    yield
    random.setstate(state)
    np.random.set_state(numbers)  # noqa: NPY002
    sys.meta_path[:] = path


def drawn(seed: int, rank: int) -> tuple[float, float]:
    random_seeds.install(seed, rank=rank)
    return random.random(), float(np.random.rand())  # noqa: NPY002


def test_numbers_depend_on_seed_and_rank() -> None:
    assert drawn(7, 0) == drawn(7, 0)
    assert len({drawn(7, rank) for rank in range(4)}) == 4
    assert drawn(7, 1) == drawn(8, 0), "it is the sum that counts"


def test_seed_beyond_numpys_range_wraps_around() -> None:
    assert drawn(2**32 - 1, 1) == drawn(0, 0)


def test_imported_generators_need_no_import_hook() -> None:
    before = list(sys.meta_path)
    random_seeds.install(1, rank=0)
    assert sys.meta_path == before


def test_generator_imported_later_is_seeded_and_keeps_its_loader() -> None:
    code = (
        "import sys; from jupyter_trainjob.worker import random_seeds; sys.modules.pop('random', None)\n"
        "random_seeds.install(7, rank=0); import random, numpy as np\n"
        "print(random.random(), np.random.rand(), type(np.random.__loader__).__name__, random.__spec__.loader.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second, *loaders = done.stdout.split()
    assert (float(first), float(second)) == drawn(7, 0)
    assert loaders == ["SourceFileLoader", "random"]


def test_missing_module_raises_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_seeds, "GENERATORS", ("no_such_module",))
    random_seeds.install(1, rank=0)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        importlib.import_module("no_such_module")
