"""Results come back signed; nothing else is ever unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.client import returned
from jupyter_trainjob.worker import results

KEY = b"k" * 32


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


VALUES: dict[str, Any] = {
    "nothing": None,
    "a number": 0.1,
    "text": "é 🚀 $HOME",
    "a container": {"a": [1, (2, 3)], "b": {4}},
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_result_comes_back(value: Any) -> None:
    assert returned.load(results.dump(value, {}, key=KEY), key=KEY) == (value, {})
    assert returned.load(results.dump(None, {"a": value, "b": 1}, key=KEY), key=KEY) == (None, {"a": value, "b": 1})


def test_what_is_shared_stays_shared() -> None:
    shared = [1]
    value, out = returned.load(results.dump({"x": shared}, {"a": shared}, key=KEY), key=KEY)
    assert value["x"] is out["a"]


FORGED: dict[str, Any] = {
    "another key": lambda trap: results.sign(b"x" * 32, trap),
    "no key": lambda trap: bytes(32) + trap,
    "no signature": lambda trap: trap,
    "a cut result": lambda trap: results.sign(KEY, trap)[:-1],
    "a result with something after it": lambda trap: results.sign(KEY, trap) + b".",
    "the signature of another result": lambda trap: results.sign(KEY, b"other")[:32] + trap,
    "nothing": lambda trap: b"",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_result_is_not_unpickled(forge: Any, tmp_path: Path) -> None:
    trap = pickle.dumps(()) + pickle.dumps(Trap(str(tmp_path / "sprung")))
    with pytest.raises(results.ForgedResult, match="it was not unpickled"):
        returned.load(forge(trap), key=KEY)
    assert not (tmp_path / "sprung").exists()


def test_the_trap_above_would_spring(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(str(tmp_path / "sprung"))))
    assert (tmp_path / "sprung").exists()


def test_a_result_of_a_gigabyte_is_refused_without_being_kept() -> None:
    with pytest.raises(results.ResultError, match=r"the value of the last expression \(200,000,0\d\d bytes\)"):
        results.dump(bytes(200_000_000), {"a": 1}, key=KEY)


def test_a_name_that_cannot_be_pickled_is_named() -> None:
    with pytest.raises(results.ResultError, match="--out rows, a generator, cannot be pickled"):
        results.dump(1, {"rows": (i for i in range(3))}, key=KEY)
