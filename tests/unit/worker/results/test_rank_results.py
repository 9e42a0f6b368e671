"""Results are signed and sent through the log or a file; unsigned data is never unpickled."""

from __future__ import annotations

import errno
import json
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from jupyter_trainjob.client.results import result_reader
from jupyter_trainjob.worker.manifest import FUNCTION
from jupyter_trainjob.worker.results import rank_results
from tests.unit.worker.conftest import KEY, Notebook


class Trap:
    """Creates a file when it is unpickled."""

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


def opener(folder: Path) -> result_reader.Opener:
    def opened(name: str) -> BinaryIO:
        return (folder / name).open("rb")

    return opened


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_result_round_trip(value: Any, tmp_path: Path) -> None:
    assert result_reader.load_result(rank_results.dump_result(value, {}, key=KEY), key=KEY) == (value, {})
    assert result_reader.load_result(rank_results.dump_result(None, {"a": value, "b": 1}, key=KEY), key=KEY) == (
        None,
        {"a": value, "b": 1},
    )
    by_file = rank_results.dump_result(value, {"a": value}, key=KEY, limit=0, folder=tmp_path)
    assert result_reader.load_result(by_file, key=KEY, opener=opener(tmp_path)) == (value, {"a": value})


def test_shared_objects_stay_shared() -> None:
    shared = [1]
    value, out = result_reader.load_result(rank_results.dump_result({"x": shared}, {"a": shared}, key=KEY), key=KEY)
    assert value["x"] is out["a"]


FORGED: dict[str, Any] = {
    "another key": lambda trap: rank_results.sign(b"x" * 32, trap),
    "no key": lambda trap: bytes(32) + trap,
    "no signature": lambda trap: trap,
    "a cut result": lambda trap: rank_results.sign(KEY, trap)[:-1],
    "a result with something after it": lambda trap: rank_results.sign(KEY, trap) + b".",
    "the signature of another result": lambda trap: rank_results.sign(KEY, b"other")[:32] + trap,
    "the result of another rank": lambda trap: rank_results.sign(KEY, trap, rank=1),
    "nothing": lambda trap: b"",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_forged_result_is_not_unpickled(forge: Any, tmp_path: Path) -> None:
    trap = rank_results.VALUE + pickle.dumps(()) + pickle.dumps(Trap(str(tmp_path / "sprung")))
    with pytest.raises(rank_results.ForgedResult, match="it was not unpickled"):
        result_reader.load_result(forge(trap), key=KEY)
    assert not (tmp_path / "sprung").exists()


def test_forged_file_is_not_unpickled(tmp_path: Path) -> None:
    signed = rank_results.dump_result(bytes(100), {}, key=KEY, limit=10, folder=tmp_path)
    genuine = (tmp_path / "rank-0").read_bytes()
    trap = pickle.dumps(()) + pickle.dumps(Trap(str(tmp_path / "sprung")))
    (tmp_path / "rank-0").write_bytes(trap + genuine[len(trap) :])
    with pytest.raises(rank_results.ForgedResult, match="The file with the result of rank 0"):
        result_reader.load_result(signed, key=KEY, opener=opener(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_unpickling_the_trap_creates_its_file(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(str(tmp_path / "sprung"))))
    assert (tmp_path / "sprung").exists()


def test_large_result_without_a_folder_is_rejected_without_buffering() -> None:
    words = r"last expression \(200,000,0\d\d bytes\).*no folder that the notebook"
    with pytest.raises(rank_results.ResultError, match=words):
        rank_results.dump_result(bytes(200_000_000), {"a": 1}, key=KEY)


@pytest.mark.parametrize("value", [(i for i in range(3)), bytes(2_000)], ids=["of no use elsewhere", "too large"])
def test_error_about_a_functions_result_does_not_mention_a_cell(value: Any) -> None:
    with pytest.raises(rank_results.ResultError, match=r"what the function returned.* return None\.") as refused:
        rank_results.dump_result(value, {}, key=KEY, limit=1_000, kind=FUNCTION)
    assert "cell" not in str(refused.value)


def test_unpicklable_name_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(rank_results.ResultError, match="--out rows, a generator, cannot be pickled"):
        rank_results.dump_result(bytes(100), {"rows": (i for i in range(3))}, key=KEY, limit=10, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "message"),
    [
        pytest.param(errno.ENOSPC, "the disk of the job's folder is full", id="a full disk"),
        pytest.param(errno.EDQUOT, "the disk of the job's folder is full", id="a quota"),
        pytest.param(errno.EIO, "Input/output error", id="a broken disk"),
    ],
)
def test_full_disk_is_named(number: int, message: str, tmp_path: Path) -> None:
    stream = rank_results._ResultStream(10, tmp_path / "rank-0", KEY, rank_results._WORDINGS[FUNCTION])
    assert message in str(rank_results._no_room(OSError(number, "Input/output error"), stream))


def test_other_ranks_share_the_limit_of_rank_0() -> None:
    assert (
        rank_results.log_limit(0, 64, folder=True) == rank_results.log_limit(0, 1, folder=False) == rank_results.LIMIT
    )
    for folder in (True, False):
        assert sum(rank_results.log_limit(rank, 128, folder=folder) for rank in range(1, 128)) <= rank_results.LIMIT
    assert rank_results.log_limit(1, 2, folder=False) == rank_results.LIMIT
    assert rank_results.log_limit(1, 2, folder=True) == rank_results.SMALL


def test_other_rank_without_a_result_sends_the_reason(notebook: Notebook) -> None:
    ran = notebook.job("(i for i in range(3))", env={"RANK": "3", "WORLD_SIZE": "4"})
    assert ran.code == 0
    (message,) = [message for message in ran.messages if message.kind == "result"]
    with pytest.raises(result_reader.ResultRefused, match="a generator, cannot be pickled"):
        result_reader.load_result(message.body, key=KEY, rank=3)


def test_large_result_is_a_file_in_the_jobs_folder(notebook: Notebook, tmp_path: Path) -> None:
    ran = notebook.job(
        "import numpy\nsame = numpy.arange(1_000_000)\n{'a': same, 'b': same[10:]}",
        out=("same",),
        env={"TRAINJOB_FOLDER": str(tmp_path / "folder")},
    )
    (message,) = [message for message in ran.messages if message.kind == "result"]
    assert len(message.body) < 200
    assert [file.name for file in (tmp_path / "folder" / "results").iterdir()] == ["rank-0"]
    value, out = result_reader.load_result(message.body, key=KEY, opener=opener(tmp_path / "folder" / "results"))
    assert value["a"] is out["same"]
    assert np.array_equal(value["a"], np.arange(1_000_000))
    assert value["a"].flags.writeable
    assert np.array_equal(value["b"], np.arange(10, 1_000_000))


def test_result_file_on_a_full_disk_fails_the_job_and_leaves_nothing(notebook: Notebook, tmp_path: Path) -> None:
    cell = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**22, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "bytes(2**23)"
    )
    ran = notebook.job(cell, env={"TRAINJOB_FOLDER": str(tmp_path / "folder")})
    assert ran.code == 1
    assert "The result cannot be sent back: File too large" in ran.error["message"]
    assert list((tmp_path / "folder" / "results").iterdir()) == []


def test_message_of_a_result_file_has_only_its_path(tmp_path: Path) -> None:
    signed = rank_results.dump_result(bytes(100), {}, key=KEY, rank=2, limit=10, folder=tmp_path)
    body = rank_results.verify(KEY, signed, rank=2)
    assert json.loads(body[1:]).keys() == {"file", "size", "nonce"}
