"""Who hangs, by what each rank says of where it stands."""

from __future__ import annotations

import pytest

from jupyter_trainjob.client import stalls
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.worker.messages import Stall
from tests.unit.client.test_derive import pod, snapshot, trainjob
from tests.unit.metrics.frames import Rank, record_of

COLLECTIVE = [("Cell [2]", 4, "<module>"), ("torch/distributed/distributed_c10d.py", 2000, "all_reduce")]
ELSEWHERE = [("Cell [2]", 7, "<module>"), ("python3.11/lib/socket.py", 9, "recv")]


def stall(stack: list[tuple[str, int, str]], quiet: float = 65.0) -> Stall:
    label, line, _ = stack[0]
    return Stall(time=1.0, quiet=quiet, where=f"{label}, line {line}", source="step()", stack=stack)


WAITS, HANGS = stall(COLLECTIVE), stall(ELSEWHERE)
NONE: frozenset[int] = frozenset()
CASES = {
    "a rank that stands elsewhere hangs": ({0: WAITS, 1: HANGS}, NONE, NONE, 1, "1 rank waits for it"),
    "one of many is found": ({0: WAITS, 1: WAITS, 2: HANGS, 3: WAITS}, NONE, NONE, 2, "3 ranks wait for it"),
    "a rank that says nothing hangs": ({0: WAITS, 2: WAITS}, NONE, NONE, 1, "keeps 2 ranks waiting for 1m5s"),
    "a rank that has ended left the others": ({0: WAITS}, frozenset({1}), NONE, 0, "of which 1 rank had ended"),
    "a rank that made steps hangs alone": ({0: HANGS}, NONE, frozenset({0}), 0, "rank 0 has made no progress"),
    "silent work without steps is no fault": ({0: HANGS}, NONE, NONE, None, ""),
    "ranks that work in silence are no fault": ({0: HANGS, 1: HANGS}, NONE, NONE, None, ""),
    "one rank that works in silence is no fault": ({1: HANGS}, NONE, NONE, None, ""),
    "nobody stands still": ({}, NONE, NONE, None, ""),
}
SIZES = {"one of many is found": 4, "a rank that says nothing hangs": 3, "silent work without steps is no fault": 1}
SIZES["a rank that made steps hangs alone"] = 1


@pytest.mark.parametrize("name", CASES)
def test_who_hangs(name: str) -> None:
    said, over, stepped, rank, text = CASES[name]
    found = stalls.find(said, ranks=SIZES.get(name, 2), over=over, stepped=stepped)
    assert (found.rank if found else None) == rank
    assert text in (found.text if found else "")


def frames(number: int, said: Stall) -> list[object]:
    rank = Rank(number)
    start = rank.say("start", time=1767225601.0, world=2, host="h", pid=1, python="3.11")
    return [*start, *rank.say("stall", **said)]


def test_a_running_job_says_live_who_hangs_and_where() -> None:
    record = record_of(frames(0, WAITS), frames(1, HANGS))  # type: ignore[arg-type]
    found = snapshot(trainjob(), pod(0, "Running"), pod(1, "Running"), record=record)
    assert found.state is State.RUNNING
    assert found.reason == ("rank 1 has made no progress for 1m5s in Cell [2], line 7: step(); 1 rank waits for it")


def test_a_rank_that_goes_on_hangs_no_more() -> None:
    rank = Rank(1)
    again = stall(ELSEWHERE) | {"stack": []}
    said = [*rank.say("stall", **HANGS), *rank.say("stall", **again)]
    record = record_of(frames(0, WAITS), said)  # type: ignore[arg-type]
    assert 1 not in record.stalls()


ENDS = {
    "a deadline": ("DeadlineExceeded", [], "the job took longer than its deadline of 1m; rank 1 has made no progress"),
    "a timeout of the others": ("Failed", ["Timed out waiting 1800000ms for recv operation"], "rank 1 has made no"),
}


@pytest.mark.parametrize(("reason", "errors", "headline"), ENDS.values(), ids=ENDS)
def test_a_job_that_failed_for_a_hanging_rank_names_it(reason: str, errors: list[str], headline: str) -> None:
    job = trainjob(condition=("Failed", "x"))
    job["status"]["conditions"][0]["reason"] = reason
    job["spec"]["activeDeadlineSeconds"] = 60
    waits = Rank(0)
    texts = {"module": "builtins", "where": "", "source": "", "traceback": ""}
    said = [waits.say("stall", **WAITS)]
    said += [waits.say("error", type="RuntimeError", message=each, time=2.0, **texts) for each in errors]
    found = snapshot(job, pod(0), pod(1), record=record_of(*said, frames(1, HANGS))).failure  # type: ignore[arg-type]
    assert found is not None
    assert found.headline.startswith(headline)
    assert (found.rank, found.where, found.source) == (1, "Cell [2], line 7", "step()")
    assert "socket.py, line 9, in recv" in found.traceback


def test_a_rendezvous_that_failed_names_who_never_came_and_why() -> None:
    rank = Rank(0)
    texts = {"module": "torch", "where": "", "source": "", "traceback": ""}
    message = "Timed out after 61 seconds waiting for clients. 1/2 clients joined."
    start = rank.say("start", time=1767225601.0, world=2, host="h", pid=1, python="3.11")
    error = rank.say("error", type="DistStoreError", message=message, time=2.0, **texts)
    job = trainjob(condition=("Failed", "x"))
    found = snapshot(job, pod(0, "Running"), pod(1, node=False), record=record_of(start, error)).failure
    assert found is not None
    assert found.headline.startswith("rank 1 of 2 never came to the rendezvous: rank 1 no node has enough free CPUs")
    assert "--cpus" in found.remedy
