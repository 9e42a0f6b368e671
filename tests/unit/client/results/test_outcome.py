"""Outcomes of jobs: values, missing results, exceptions."""

from __future__ import annotations

import json
import pickle
import sys
import traceback
import types
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cloudpickle
import numpy as np
import pytest

from jupyter_trainjob import errors
from jupyter_trainjob.client.results import outcome
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.worker.results import raised_exception, rank_results

KEY = b"k" * 32


def record_of(*bodies: bytes | None) -> Any:
    """Return a record in which rank `i` has sent result message `bodies[i]`, or none."""
    messages = {rank: SimpleNamespace(body=body) for rank, body in enumerate(bodies) if body is not None}
    return SimpleNamespace(result=lambda rank=0: messages.get(rank), world=len(bodies))


def of(record: Any, *, rank: int = 0, state: State = State.COMPLETE, out: tuple[str, ...] = ()) -> outcome.Outcome:
    snapshot: Any = SimpleNamespace(name="job-abcde", state=state, ranks=3, reason="")
    manifest: Any = SimpleNamespace(out=out)
    return outcome.read_outcome(
        snapshot, record, bundle=lambda: outcome.SentBundle(KEY, manifest), opener=_nothing, rank=rank
    )


def of_all(record: Any) -> Any:
    snapshot: Any = SimpleNamespace(name="job-abcde", state=State.COMPLETE, ranks=3, reason="")
    return outcome.read_all_values(
        snapshot, record, bundle=lambda: outcome.SentBundle(KEY), opener=_nothing, first=of(record)
    )


def _nothing(name: str) -> Any:
    raise FileNotFoundError(2, "No such file or directory", name)


def value(content: Any, rank: int = 0) -> bytes:
    return rank_results.dump_result(content, {}, key=KEY, rank=rank).body


def in_file(tmp_path: Any, rank: int = 0) -> bytes:
    return rank_results.dump_result(1, {}, key=KEY, rank=rank, limit=0, folder=tmp_path).body


def test_outcome_has_value_and_out() -> None:
    result = of(record_of(rank_results.dump_result(1, {"a": 2}, key=KEY).body))
    assert (result.value, result.out) == (1, {"a": 2})
    with pytest.raises(KeyError, match="weights was not returned: --out of this job had a"):
        result.out["weights"]


def test_missing_out_name_raises_when_it_is_read() -> None:
    missing = {"best": "the cell ended without assigning it."}
    result = of(record_of(rank_results.dump_result(1, {"a": 2}, key=KEY, missing=missing).body))
    assert (result.value, result.out) == (1, {"a": 2})
    assert "best" not in result.out
    assert repr(result.out) == "{'a': 2, 'best': <missing>}"
    with pytest.raises(errors.MissingOut) as raised:
        result.out["best"]
    assert isinstance(raised.value, KeyError)
    assert str(raised.value) == "best was not returned: the cell ended without assigning it."
    with pytest.raises(errors.MissingOut, match="weights was not returned: --out of this job had a, best"):
        result.out["weights"]
    unpickled = pickle.loads(cloudpickle.dumps(result.out))
    assert (type(unpickled), unpickled) == (dict, {"a": 2})


NONE: dict[str, tuple[Any, int, type[Exception], str]] = {
    "no rank said anything": (record_of(), 0, errors.JobFailed, "not sent by this package"),
    "rank 0 left early": (record_of(None, value(1)), 0, errors.JobFailed, "exited before its program had ended"),
    "another rank said nothing": (record_of(value(1)), 2, errors.NoResult, "Rank 2 of job-abcde sent no result"),
    "another key": (
        record_of(rank_results.dump_result(1, {}, key=b"x" * 32).body),
        0,
        errors.JobFailed,
        "does not carry the job's signature",
    ),
    "another rank's": (record_of(value(1), value(1)), 1, errors.JobFailed, "does not carry the job's signature"),
    "a rank that could not": (
        record_of(value(1), rank_results.dump_refusal("a lock cannot be pickled", key=KEY, rank=1)),
        1,
        errors.NoResult,
        "Rank 1 of job-abcde returned no value: a lock cannot be pickled",
    ),
}


@pytest.mark.parametrize(("record", "rank", "kind", "text"), NONE.values(), ids=NONE.keys())
def test_missing_result_raises_with_the_reason(record: Any, rank: int, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        of(record, rank=rank).value  # noqa: B018


def test_value_that_is_missing_leaves_the_names_readable() -> None:
    result = of(record_of(rank_results.dump_result((i for i in "ab"), {"best": 0.9}, key=KEY).body))
    assert result.out == {"best": 0.9}
    with pytest.raises(errors.NoResult, match="Rank 0 of job-abcde returned no value: a generator cannot be pickled"):
        result.value  # noqa: B018


def test_missing_result_file_raises_no_result(tmp_path: Any) -> None:
    with pytest.raises(errors.NoResult, match=r"result of rank 0 .* cannot be read: No such file"):
        of(record_of(in_file(tmp_path)))


def test_result_that_needs_a_missing_library_can_be_read_after_its_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("imagelib")
    exec("class Model:\n    def __eq__(self, other): return type(self) is type(other)", vars(module))
    monkeypatch.setitem(sys.modules, "imagelib", module)
    record = record_of(value([module.Model()]), value(module.Model(), 1), value(1, 2))
    monkeypatch.delitem(sys.modules, "imagelib")
    with pytest.raises(errors.NoResult) as raised:
        of(record).value  # noqa: B018
    text = str(raised.value)
    for part in ("job-abcde succeeded", "rank 0", "'imagelib'", "pip install", "plain data", "is kept"):
        assert part in text
    with pytest.raises(errors.NoResult, match=r"rank 1 .*'imagelib'"):
        of(record, rank=1).value  # noqa: B018
    monkeypatch.setitem(sys.modules, "imagelib", module)
    assert of(record).value == [module.Model()]


def test_result_that_needs_another_library_version_raises_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("imagelib")
    exec("class Model: pass", vars(module))
    monkeypatch.setitem(sys.modules, "imagelib", module)
    record = record_of(value(module.Model()))
    monkeypatch.delattr(module, "Model")
    with pytest.raises(errors.NoResult, match=r"job-abcde succeeded.*rank 0.*AttributeError.*'Model'.*is kept"):
        of(record).value  # noqa: B018


PROGRAM = "@traced\ndef train(x, y):\n    return x"
FRAMELESS: dict[str, tuple[dict[str, str], tuple[str, int, str, str]]] = {
    "a function": (
        {"kind": "function", "filename": "train()", "source": PROGRAM},
        ("train()", 2, "train", "def train(x, y):"),
    ),
    "a function without a text": ({"kind": "function", "filename": "max()", "source": ""}, ("max()", 1, "max", "")),
    "a cell": ({"kind": "cell", "filename": "Cell [9]", "source": "x = 1"}, ("Cell [9]", 1, "<module>", "x = 1")),
}


@pytest.mark.parametrize(("program", "entry"), FRAMELESS.values(), ids=FRAMELESS.keys())
def test_traceback_of_an_error_without_frames_ends_at_the_first_line(
    program: dict[str, str], entry: tuple[str, int, str, str]
) -> None:
    body = raised_exception.dump_exception(
        TypeError("train() missing 1 required positional argument: 'y'"), key=KEY, rank=0
    )
    failure: Any = SimpleNamespace(rank=0, traceback="TypeError", first="", remedy="")
    snapshot: Any = SimpleNamespace(name="job-abcde", failure=failure, restarts=0)
    record: Any = SimpleNamespace(raised=lambda rank: SimpleNamespace(body=body))
    manifest: Any = SimpleNamespace(sources={}, **program)
    error = outcome.build_exception(snapshot, record, lambda: outcome.SentBundle(KEY, manifest))
    assert type(error) is TypeError
    (frame,) = traceback.extract_tb(error.__traceback__)
    assert (frame.filename, frame.lineno, frame.name, frame.line) == entry


def test_deleted_job_has_no_outcome() -> None:
    with pytest.raises(errors.JobStopped):
        of(record_of(value(1)), state=State.DELETED)


def test_all_values_are_a_list_by_rank() -> None:
    values = of_all(record_of(value("a"), value("b", 1), value("c", 2)))
    assert values == ["a", "b", "c"]
    assert type(values) is list
    assert (values[-1], values[1:], list(values), "b" in values) == ("c", ["b", "c"], ["a", "b", "c"], True)
    assert repr(values) == "['a', 'b', 'c']"


def test_missing_value_raises_when_it_is_read(tmp_path: Any) -> None:
    values = of_all(record_of(value("a"), in_file(tmp_path, 1), value("c", 2)))
    assert (values[0], values[2], len(values)) == ("a", "c", 3)
    asks: tuple[Callable[[], Any], ...] = (
        lambda: values[1],
        lambda: values[-2],
        lambda: values[:2],
        lambda: list(values),
        lambda: pickle.dumps(values),
        lambda: np.array(values),
        lambda: [*reversed(values)],
        lambda: "".join(values),
        lambda: json.dumps([*values]),
        lambda: "x" in values,
    )
    for ask in asks:
        with pytest.raises(errors.NoResult, match="rank 1"):
            ask()
    with pytest.raises(IndexError):
        values[3]
    assert repr(values) == "['a', <no result of rank 1>, 'c']"


def test_values_of_all_ranks_can_be_pickled_as_a_list() -> None:
    values = of_all(record_of(value("a"), value("b", 1), value("c", 2)))
    unpickled = pickle.loads(cloudpickle.dumps(values))
    assert type(unpickled) is list
    assert unpickled == ["a", "b", "c"]
