"""Results are signed and sent through the log or a file; unsigned data is never unpickled."""

from __future__ import annotations

import errno
import json
import pickle
import re
import sys
import threading
import types
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


def sent(*args: Any, folder: Path | None = None, **options: Any) -> result_reader.RankResult:
    """Return a result as it arrives."""
    body = rank_results.dump_result(*args, key=KEY, folder=folder, **options).body
    return result_reader.load_result(body, key=KEY, opener=opener(folder or Path("nowhere")))


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_result_round_trip(value: Any, tmp_path: Path) -> None:
    assert sent(value, {}) == (value, {}, {}, {})
    assert sent(None, {"a": value, "b": 1}) == (None, {"a": value, "b": 1}, {}, {})
    assert sent(value, {"a": value}, limit=0, folder=tmp_path) == (value, {"a": value}, {}, {})


def test_shared_objects_stay_shared() -> None:
    shared = [1]
    result = sent({"x": shared}, {"a": shared, "b": (i for i in "ab"), "c": [shared]})
    assert result.value["x"] is result.out["a"] is result.out["c"][0]


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
    header = b'{"items": [""], "missing": {}}\n'
    trap = rank_results.VALUE + header + pickle.dumps(Trap(str(tmp_path / "sprung")))
    with pytest.raises(rank_results.ForgedResult, match="it was not unpickled"):
        result_reader.load_result(forge(trap), key=KEY)
    assert not (tmp_path / "sprung").exists()


def test_forged_file_is_not_unpickled(tmp_path: Path) -> None:
    signed = rank_results.dump_result(bytes(100), {}, key=KEY, limit=10, folder=tmp_path).body
    genuine = (tmp_path / "rank-0").read_bytes()
    trap = pickle.dumps(Trap(str(tmp_path / "sprung")))
    (tmp_path / "rank-0").write_bytes(trap + genuine[len(trap) :])
    with pytest.raises(rank_results.ForgedResult, match="The file with the result of rank 0"):
        result_reader.load_result(signed, key=KEY, opener=opener(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_unpickling_the_trap_creates_its_file(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(str(tmp_path / "sprung"))))
    assert (tmp_path / "sprung").exists()


def test_too_large_value_is_left_out_without_buffering() -> None:
    result = sent(bytes(200_000_000), {"a": 1})
    assert (result.value, result.out) == (None, {"a": 1})
    assert re.match(r"it is too large for the log: 200,000,0\d\d bytes, where .*--storage", result.missing[""])


@pytest.mark.parametrize("value", [(i for i in range(3)), bytes(2_000)], ids=["of no use elsewhere", "too large"])
def test_message_about_a_functions_value_does_not_mention_a_cell(value: Any) -> None:
    ((name, reason),) = sent(value, {}, limit=1_000, kind=FUNCTION).missing.items()
    sentence = rank_results.missing_sentence(name, reason, kind=FUNCTION)
    assert sentence.startswith("What the function returned was not returned: ")
    assert "cell" not in sentence


def test_item_that_cannot_be_pickled_does_not_affect_the_others(tmp_path: Path) -> None:
    shared = [bytes(2**20)]
    items = {"best": shared, "rows": (i for i in range(3)), "late": [shared, open], "lock": threading.Lock(), "n": 7}
    for folder in (tmp_path, None):
        result = sent("done", items, folder=folder, limit=2**20 if folder else 2**22)
        assert (result.value, result.out) == ("done", {"best": shared, "late": [shared, open], "n": 7})
        assert result.missing.keys() == {"rows", "lock"}
        assert result.missing["rows"].startswith("a generator cannot be pickled (TypeError: ")
        assert "). Assign to rows something that can: numbers, arrays" in result.missing["rows"]
    assert [file.name for file in tmp_path.iterdir()] == ["rank-0"]


@pytest.mark.parametrize("limit", [2**16, 2**24], ids=["in a file", "in the log"])
def test_partly_written_item_leaves_nothing_in_the_others(limit: int, tmp_path: Path) -> None:
    half = [bytes(2**20), (i for i in "ab")]
    result = sent(half, {"a": half[0], "b": half}, limit=limit, folder=tmp_path)
    assert (result.value, result.out, set(result.missing)) == (None, {"a": half[0]}, {"", "b"})


def test_result_without_any_item_says_why() -> None:
    result = sent(threading.Lock(), {"rows": threading.Lock()}, missing={"best": "the cell ended"})
    assert (result.value, result.out, set(result.missing)) == (None, {}, {"", "rows", "best"})


def test_largest_items_are_left_out_until_the_rest_fits() -> None:
    items = {"big": bytes(3_000_000), "small": bytes(100_000), "half": bytes(900_000), "rest": bytes(200_000)}
    assert sent(1, items).out.keys() == {"small", "rest"}


def test_item_that_needs_a_missing_library_does_not_affect_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("imagelib")
    exec("class Model: pass", vars(module))
    monkeypatch.setitem(sys.modules, "imagelib", module)
    body = rank_results.dump_result(1, {"a": 2, "model": module.Model(), "b": 3}, key=KEY).body
    monkeypatch.delitem(sys.modules, "imagelib")
    result = result_reader.load_result(body, key=KEY)
    assert (result.value, result.out, set(result.unreadable)) == (1, {"a": 2}, {"model", "b"})
    assert "pip install imagelib" in result.unreadable["model"]
    assert "may share objects with model" in result.unreadable["b"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        pytest.param(errno.ENOSPC, "the disk of the job's folder is full", id="a full disk"),
        pytest.param(errno.EDQUOT, "the disk of the job's folder is full", id="a quota"),
        pytest.param(errno.EIO, "Input/output error", id="a broken disk"),
    ],
)
def test_full_disk_is_named(number: int, message: str, tmp_path: Path) -> None:
    stream = rank_results._ResultStream(10, tmp_path / "rank-0", KEY)
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
    assert "a generator cannot be pickled" in result_reader.load_result(message.body, key=KEY, rank=3).missing[""]


def test_large_result_is_a_file_in_the_jobs_folder(notebook: Notebook, tmp_path: Path) -> None:
    ran = notebook.job(
        "import numpy\nsame = numpy.arange(1_000_000)\n{'a': same, 'b': same[10:]}",
        out=("same",),
        env={"TRAINJOB_FOLDER": str(tmp_path / "folder")},
    )
    (message,) = [message for message in ran.messages if message.kind == "result"]
    assert len(message.body) < 200
    assert [file.name for file in (tmp_path / "folder" / "results").iterdir()] == ["rank-0"]
    value, out, *_ = result_reader.load_result(message.body, key=KEY, opener=opener(tmp_path / "folder" / "results"))
    assert value["a"] is out["same"]
    assert np.array_equal(value["a"], np.arange(1_000_000))
    assert value["a"].flags.writeable
    assert np.array_equal(value["b"], np.arange(10, 1_000_000))


def test_result_file_on_a_full_disk_is_left_out_and_leaves_nothing(notebook: Notebook, tmp_path: Path) -> None:
    cell = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**22, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "accuracy = 0.9\n"
        "bytes(2**23)"
    )
    ran = notebook.job(cell, out=["accuracy"], env={"TRAINJOB_FOLDER": str(tmp_path / "folder")})
    assert ran.code == 0
    assert "The value of the last expression was not returned: File too large" in ran.stderr
    assert ran.outcome == (None, {"accuracy": 0.9})
    assert list((tmp_path / "folder" / "results").iterdir()) == []


def test_message_of_a_result_file_has_only_its_path(tmp_path: Path) -> None:
    signed = rank_results.dump_result(bytes(100), {}, key=KEY, rank=2, limit=10, folder=tmp_path).body
    body = rank_results.verify(KEY, signed, rank=2)
    assert json.loads(body[1:]).keys() == {"items", "missing", "file", "size", "nonce"}
