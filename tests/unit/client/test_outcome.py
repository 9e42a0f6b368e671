"""How a job came out, for each way in which it can."""

from __future__ import annotations

import json
import pickle
import sys
import types
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cloudpickle
import numpy as np
import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.client import outcome
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.worker import results

KEY = b"k" * 32


def said(*bodies: bytes | None) -> Any:
    """Return a record in which each rank has said one of `bodies`."""
    messages = {rank: SimpleNamespace(body=body) for rank, body in enumerate(bodies) if body is not None}
    return SimpleNamespace(result=lambda rank=0: messages.get(rank))


def of(record: Any, *, rank: int = 0, state: State = State.COMPLETE) -> outcome.Outcome:
    snapshot: Any = SimpleNamespace(name="job-abcde", state=state, ranks=3)
    return outcome.of(snapshot, record, key=lambda: KEY, opener=_nothing, rank=rank)


def of_all(record: Any) -> Any:
    snapshot: Any = SimpleNamespace(name="job-abcde", state=State.COMPLETE, ranks=3)
    return outcome.of_all(snapshot, record, key=lambda: KEY, opener=_nothing, first=of(record))


def _nothing(name: str) -> Any:
    raise FileNotFoundError(2, "No such file or directory", name)


def value(content: Any, rank: int = 0) -> bytes:
    return results.dump(content, {}, key=KEY, rank=rank)


def in_file(tmp_path: Any, rank: int = 0) -> bytes:
    return results.dump(1, {}, key=KEY, rank=rank, limit=0, place=tmp_path)


def test_a_value_and_the_names_that_came_with_it() -> None:
    found = of(said(results.dump(1, {"a": 2}, key=KEY)))
    assert (found.value, found.out) == (1, {"a": 2})


NONE: dict[str, tuple[Any, int, type[Exception], str]] = {
    "rank 0 said nothing": (said(), 0, errors.JobFailed, "sent no result"),
    "another rank said nothing": (said(value(1)), 2, errors.NoResult, "Rank 2 of job-abcde sent no result"),
    "another key": (
        said(results.dump(1, {}, key=b"x" * 32)),
        0,
        errors.JobFailed,
        "does not carry the job's signature",
    ),
    "another rank's": (said(value(1), value(1)), 1, errors.JobFailed, "does not carry the job's signature"),
    "a rank that could not": (
        said(value(1), results.refuse("a lock, cannot be pickled", key=KEY, rank=1)),
        1,
        errors.NoResult,
        "Rank 1 of job-abcde: a lock, cannot be pickled",
    ),
}


@pytest.mark.parametrize(("record", "rank", "kind", "text"), NONE.values(), ids=NONE.keys())
def test_why_there_is_none(record: Any, rank: int, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        of(record, rank=rank)


def test_a_file_that_is_gone_is_named(tmp_path: Any) -> None:
    with pytest.raises(errors.NoResult, match=r"result of rank 0 .* cannot be read: No such file"):
        of(said(in_file(tmp_path)))


def test_a_library_that_only_the_job_has_is_named_and_the_result_can_be_read_once_it_is_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("imagelib")
    exec("class Model:\n    def __eq__(self, other): return type(self) is type(other)", vars(module))
    monkeypatch.setitem(sys.modules, "imagelib", module)
    there = said(value([module.Model()]), value(module.Model(), 1), value(1, 2))
    monkeypatch.delitem(sys.modules, "imagelib")
    with pytest.raises(errors.NoResult) as raised:
        of(there)
    text = str(raised.value)
    for part in ("job-abcde ended well", "rank 0", "'imagelib'", "pip install", "plain data", "is kept"):
        assert part in text
    with pytest.raises(errors.NoResult, match=r"rank 1 .*'imagelib'"):
        of(there, rank=1)
    monkeypatch.setitem(sys.modules, "imagelib", module)
    assert of(there).value == [module.Model()]


def test_a_library_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("imagelib")
    exec("class Model: pass", vars(module))
    monkeypatch.setitem(sys.modules, "imagelib", module)
    there = said(value(module.Model()))
    monkeypatch.delattr(module, "Model")
    with pytest.raises(errors.NoResult, match=r"job-abcde ended well.*rank 0.*AttributeError.*'Model'.*is kept"):
        of(there)


def test_a_deleted_job_has_none() -> None:
    with pytest.raises(errors.JobStopped):
        of(said(value(1)), state=State.DELETED)


def test_all_values_are_a_list_by_rank() -> None:
    found = of_all(said(value("a"), value("b", 1), value("c", 2)))
    assert found == ["a", "b", "c"]
    assert type(found) is list
    assert (found[-1], found[1:], list(found), "b" in found) == ("c", ["b", "c"], ["a", "b", "c"], True)
    assert repr(found) == "['a', 'b', 'c']"


def test_one_that_is_missing_is_missed_when_it_is_asked_for(tmp_path: Any) -> None:
    found = of_all(said(value("a"), in_file(tmp_path, 1), value("c", 2)))
    assert (found[0], found[2], len(found)) == ("a", "c", 3)
    asks: tuple[Callable[[], Any], ...] = (
        lambda: found[1],
        lambda: found[-2],
        lambda: found[:2],
        lambda: list(found),
        lambda: pickle.dumps(found),
        lambda: np.array(found),
        lambda: [*reversed(found)],
        lambda: "".join(found),
        lambda: json.dumps([*found]),
        lambda: "x" in found,
    )
    for ask in asks:
        with pytest.raises(errors.NoResult, match="rank 1"):
            ask()
    with pytest.raises(IndexError):
        found[3]
    assert repr(found) == "['a', <no result of rank 1>, 'c']"


def test_values_of_all_ranks_can_travel_into_the_next_job() -> None:
    found = of_all(said(value("a"), value("b", 1), value("c", 2)))
    there = pickle.loads(cloudpickle.dumps(found))
    assert type(there) is list
    assert there == ["a", "b", "c"]
