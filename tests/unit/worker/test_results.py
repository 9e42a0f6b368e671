"""Results come back signed, through the log or a file; nothing else is ever unpickled."""

from __future__ import annotations

import errno
import json
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from jupyter_trainjob.client import returned
from jupyter_trainjob.worker import results
from tests.unit.worker.conftest import KEY, Notebook


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


def opener(place: Path) -> returned.Opener:
    def opened(name: str) -> BinaryIO:
        return (place / name).open("rb")

    return opened


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_result_comes_back(value: Any, tmp_path: Path) -> None:
    assert returned.load(results.dump(value, {}, key=KEY), key=KEY) == (value, {})
    assert returned.load(results.dump(None, {"a": value, "b": 1}, key=KEY), key=KEY) == (None, {"a": value, "b": 1})
    by_file = results.dump(value, {"a": value}, key=KEY, limit=0, place=tmp_path)
    assert returned.load(by_file, key=KEY, opener=opener(tmp_path)) == (value, {"a": value})


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
    "the result of another rank": lambda trap: results.sign(KEY, trap, rank=1),
    "nothing": lambda trap: b"",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_result_is_not_unpickled(forge: Any, tmp_path: Path) -> None:
    trap = results.VALUE + pickle.dumps(()) + pickle.dumps(Trap(str(tmp_path / "sprung")))
    with pytest.raises(results.ForgedResult, match="it was not unpickled"):
        returned.load(forge(trap), key=KEY)
    assert not (tmp_path / "sprung").exists()


def test_a_forged_file_is_not_unpickled(tmp_path: Path) -> None:
    signed = results.dump(bytes(100), {}, key=KEY, limit=10, place=tmp_path)
    genuine = (tmp_path / "rank-0").read_bytes()
    trap = pickle.dumps(()) + pickle.dumps(Trap(str(tmp_path / "sprung")))
    (tmp_path / "rank-0").write_bytes(trap + genuine[len(trap) :])
    with pytest.raises(results.ForgedResult, match="The file with the result of rank 0"):
        returned.load(signed, key=KEY, opener=opener(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_the_trap_above_would_spring(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(str(tmp_path / "sprung"))))
    assert (tmp_path / "sprung").exists()


def test_a_large_result_without_a_folder_is_refused_without_being_kept() -> None:
    words = r"last expression \(200,000,0\d\d bytes\).*no folder that the notebook"
    with pytest.raises(results.ResultError, match=words):
        results.dump(bytes(200_000_000), {"a": 1}, key=KEY)


def test_a_name_that_cannot_be_pickled_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(results.ResultError, match="--out rows, a generator, cannot be pickled"):
        results.dump(bytes(100), {"rows": (i for i in range(3))}, key=KEY, limit=10, place=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "said"),
    [
        pytest.param(errno.ENOSPC, "the disk of the job's folder is full", id="a full disk"),
        pytest.param(errno.EDQUOT, "the disk of the job's folder is full", id="a quota"),
        pytest.param(errno.EIO, "Input/output error", id="a broken disk"),
    ],
)
def test_a_disk_that_takes_no_more_is_named(number: int, said: str, tmp_path: Path) -> None:
    stream = results._Stream(10, tmp_path / "rank-0", KEY)
    assert said in str(results._no_room(OSError(number, "Input/output error"), stream))


def test_all_other_ranks_share_what_rank_0_has() -> None:
    assert results.room(0, 64, folder=True) == results.room(0, 1, folder=False) == results.LIMIT
    for folder in (True, False):
        assert sum(results.room(rank, 128, folder=folder) for rank in range(1, 128)) <= results.LIMIT
    assert results.room(1, 2, folder=False) == results.LIMIT
    assert results.room(1, 2, folder=True) == results.SMALL


def test_a_rank_beyond_the_first_that_has_nothing_to_give_says_why(notebook: Notebook) -> None:
    ran = notebook.job("(i for i in range(3))", env={"RANK": "3", "WORLD_SIZE": "4"})
    assert ran.code == 0
    (message,) = [message for message in ran.messages if message.kind == "result"]
    with pytest.raises(returned.NoResult, match="a generator, cannot be pickled"):
        returned.load(message.body, key=KEY, rank=3)


def test_a_large_result_goes_through_the_jobs_folder(notebook: Notebook, tmp_path: Path) -> None:
    ran = notebook.job(
        "import numpy\nsame = numpy.arange(1_000_000)\n{'a': same, 'b': same[10:]}",
        out=("same",),
        env={"TRAINJOB_FOLDER": str(tmp_path / "folder")},
    )
    (message,) = [message for message in ran.messages if message.kind == "result"]
    assert len(message.body) < 200
    assert [file.name for file in (tmp_path / "folder" / "results").iterdir()] == ["rank-0"]
    value, out = returned.load(message.body, key=KEY, opener=opener(tmp_path / "folder" / "results"))
    assert value["a"] is out["same"]
    assert np.array_equal(value["a"], np.arange(1_000_000))
    assert value["a"].flags.writeable
    assert np.array_equal(value["b"], np.arange(10, 1_000_000))


def test_a_file_that_cannot_grow_fails_the_job_with_words_and_leaves_nothing(
    notebook: Notebook, tmp_path: Path
) -> None:
    cell = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**22, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "bytes(2**23)"
    )
    ran = notebook.job(cell, env={"TRAINJOB_FOLDER": str(tmp_path / "folder")})
    assert ran.code == 1
    assert "The result cannot be sent back: File too large" in ran.error["message"]
    assert list((tmp_path / "folder" / "results").iterdir()) == []


def test_where_a_file_lies_is_all_that_its_message_says(tmp_path: Path) -> None:
    signed = results.dump(bytes(100), {}, key=KEY, rank=2, limit=10, place=tmp_path)
    body = results.verify(KEY, signed, rank=2)
    assert json.loads(body[1:]).keys() == {"file", "size", "nonce"}
