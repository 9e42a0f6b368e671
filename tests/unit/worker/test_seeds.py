"""Random numbers of a job: the same when it runs again, others on each rank."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from jupyter_trainjob.worker import seeds


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    state, numbers, path = random.getstate(), np.random.get_state(), list(sys.meta_path)  # noqa: NPY002
    yield
    random.setstate(state)
    np.random.set_state(numbers)  # noqa: NPY002
    sys.meta_path[:] = path


def drawn(seed: int, rank: int) -> tuple[float, float]:
    seeds.install(seed, rank=rank)
    return random.random(), float(np.random.rand())  # noqa: NPY002


def test_a_rank_draws_the_same_numbers_again_and_others_draw_others() -> None:
    assert drawn(7, 0) == drawn(7, 0)
    assert len({drawn(7, rank) for rank in range(4)}) == 4
    assert drawn(7, 1) == drawn(8, 0), "it is the sum that counts"


def test_a_seed_beyond_what_numpy_takes_begins_again_at_0() -> None:
    assert drawn(2**32 - 1, 1) == drawn(0, 0)


def test_what_is_imported_already_needs_no_hook() -> None:
    before = list(sys.meta_path)
    seeds.install(1, rank=0)
    assert sys.meta_path == before


def test_what_is_imported_later_is_seeded_then_and_knows_its_own_loader() -> None:
    code = (
        "import sys; from jupyter_trainjob.worker import seeds; sys.modules.pop('random', None)\n"
        "seeds.install(7, rank=0); import random, numpy as np\n"
        "print(random.random(), np.random.rand(), type(np.random.__loader__).__name__, random.__spec__.loader.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second, *loaders = done.stdout.split()
    assert (float(first), float(second)) == drawn(7, 0)
    assert loaders == ["SourceFileLoader", "random"]


def test_a_module_that_is_not_there_is_missed_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "GENERATORS", ("no_such_module",))
    seeds.install(1, rank=0)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        importlib.import_module("no_such_module")
