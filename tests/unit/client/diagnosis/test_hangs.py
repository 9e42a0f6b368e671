"""Hanging ranks, from the stall messages of all ranks."""

from __future__ import annotations

import pytest

from jupyter_trainjob.client.diagnosis import hangs
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.worker.output.messages import Stall
from tests.unit.client.state.test_derive import pod, snapshot, trainjob
from tests.unit.metrics.frames import Rank, record_of

COLLECTIVE = [("Cell [2]", 4, "<module>"), ("torch/distributed/distributed_c10d.py", 2000, "all_reduce")]
ELSEWHERE = [("Cell [2]", 7, "<module>"), ("python3.11/lib/socket.py", 9, "recv")]


def stall(stack: list[tuple[str, int, str]], quiet: float = 65.0) -> Stall:
    label, line, _ = stack[0]
    return Stall(time=1.0, quiet=quiet, where=f"{label}, line {line}", source="step()", stack=stack)


WAITS, HANGS = stall(COLLECTIVE), stall(ELSEWHERE)
NONE: frozenset[int] = frozenset()
CASES = {
    "a rank with a different stack hangs": ({0: WAITS, 1: HANGS}, NONE, NONE, 1, "1 rank waits for it"),
    "one of many is found": ({0: WAITS, 1: WAITS, 2: HANGS, 3: WAITS}, NONE, NONE, 2, "3 ranks wait for it"),
    "a rank without a report hangs": ({0: WAITS, 2: WAITS}, NONE, NONE, 1, "keeps 2 ranks waiting for 1m5s"),
    "a rank that has ended left the others": ({0: WAITS}, frozenset({1}), NONE, 0, "of which 1 rank had ended"),
    "a rank that was ahead hangs alone": ({0: HANGS}, NONE, frozenset({0}), 0, "rank 0 has made no progress"),
    "silent work without steps is no fault": ({0: HANGS}, NONE, NONE, None, ""),
    "ranks that work in silence are no fault": ({0: HANGS, 1: HANGS}, NONE, NONE, None, ""),
    "one rank that works in silence is no fault": ({1: HANGS}, NONE, NONE, None, ""),
    "no rank hangs": ({}, NONE, NONE, None, ""),
}
SIZES = {"one of many is found": 4, "a rank without a report hangs": 3, "silent work without steps is no fault": 1}
SIZES["a rank that was ahead hangs alone"] = 1


@pytest.mark.parametrize("name", CASES)
def test_find_hang(name: str) -> None:
    stalls, ended, stepped, rank, text = CASES[name]
    hang = hangs.find_hang(stalls, ranks=SIZES.get(name, 2), ended=ended, stepped=stepped)
    assert (hang.rank if hang else None) == rank
    assert text in (hang.text if hang else "")


def frames(number: int, fields: Stall) -> list[object]:
    rank = Rank(number)
    start = rank.say("start", time=1767225601.0, world=2, host="h", pid=1, python="3.11")
    return [*start, *rank.say("stall", **fields)]


def test_reason_of_a_running_job_has_the_hanging_rank_and_its_line() -> None:
    record = record_of(frames(0, WAITS), frames(1, HANGS))  # type: ignore[arg-type]
    status = snapshot(trainjob(), pod(0, "Running"), pod(1, "Running"), record=record)
    assert status.state is State.RUNNING
    assert status.reason == ("rank 1 has made no progress for 1m5s in Cell [2], line 7: step(); 1 rank waits for it")


def test_rank_that_continues_no_longer_hangs() -> None:
    rank = Rank(1)
    again = stall(ELSEWHERE) | {"stack": []}
    stall_frames = [*rank.say("stall", **HANGS), *rank.say("stall", **again)]
    record = record_of(frames(0, WAITS), stall_frames)  # type: ignore[arg-type]
    assert 1 not in record.stalls()


ENDS = {
    "a deadline": ("DeadlineExceeded", [], "the job took longer than its deadline of 1m; rank 1 has made no progress"),
    "a timeout of the others": ("Failed", ["Timed out waiting 1800000ms for recv operation"], "rank 1 has made no"),
}


@pytest.mark.parametrize(("reason", "errors", "headline"), ENDS.values(), ids=ENDS)
def test_failure_names_the_hanging_rank(reason: str, errors: list[str], headline: str) -> None:
    job = trainjob(condition=("Failed", "x"))
    job["status"]["conditions"][0]["reason"] = reason
    job["spec"]["activeDeadlineSeconds"] = 60
    waits = Rank(0)
    texts = {"module": "builtins", "where": "", "source": "", "traceback": ""}
    messages = [waits.say("stall", **WAITS)]
    messages += [waits.say("error", type="RuntimeError", message=message, time=2.0, **texts) for message in errors]
    failure = snapshot(job, pod(0), pod(1), record=record_of(*messages, frames(1, HANGS))).failure  # type: ignore[arg-type]
    assert failure is not None
    assert failure.headline.startswith(headline)
    assert (failure.rank, failure.where, failure.source) == (1, "Cell [2], line 7", "step()")
    assert "socket.py, line 9, in recv" in failure.traceback


def test_failed_rendezvous_names_the_missing_rank_and_the_reason() -> None:
    rank = Rank(0)
    texts = {"module": "torch", "where": "", "source": "", "traceback": ""}
    message = "Timed out after 61 seconds waiting for clients. 1/2 clients joined."
    start = rank.say("start", time=1767225601.0, world=2, host="h", pid=1, python="3.11")
    error = rank.say("error", type="DistStoreError", message=message, time=2.0, **texts)
    job = trainjob(condition=("Failed", "x"))
    failure = snapshot(job, pod(0, "Running"), pod(1, node=False), record=record_of(start, error)).failure
    assert failure is not None
    assert failure.headline.startswith("rank 1 of 2 did not join the rendezvous: rank 1 no node has enough free CPUs")
    assert "--cpus" in failure.remedy
