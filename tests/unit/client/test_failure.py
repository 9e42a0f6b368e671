"""Why a job failed, where it is not an exception of a rank: deadlines, ports, memory, torchrun's report."""

from __future__ import annotations

import pytest

from jupyter_trainjob.client import causes, failure
from jupyter_trainjob.client.elastic import Cause, root_cause
from jupyter_trainjob.client.snapshot import LogLine, Snapshot
from tests.unit.client.test_derive import LATER, pod, snapshot, trainjob
from tests.unit.metrics.frames import Rank, record_of

TEXTS = {"module": "builtins", "where": "Cell [2], line 4", "source": "boom()", "traceback": "Traceback …"}


def report(rank: int, code: int, *, node: int, at: float) -> list[LogLine]:
    """Return torchrun's words on a rank that failed, with those on one that it ended before them."""
    texts = [
        "Failures:",
        f"  rank      : {rank - 1} (local_rank: 0)",
        "  exitcode  : 143 (pid: 7)",
        "Root Cause (first observed failure):",
        "[0]:",
        "  host      : a.b",
        f"  rank      : {rank} (local_rank: 1)",
        f"  exitcode  : {code} (pid: 8)  (SIGKILL)",
        "  traceback : Signal 9 (SIGKILL) received by PID 8",
    ]
    return [LogLine(at + i / 1000, node, text) for i, text in enumerate(texts)]


def failed(reason: str = "FailedJobs") -> Snapshot:
    job = trainjob(condition=("Failed", "the API's words"))
    job["status"]["conditions"][0]["reason"] = reason
    job["spec"]["activeDeadlineSeconds"] = 5400
    # Its pods were asked to end, and so was an exception provoked: neither is why.
    error = Rank(0).say("error", type="KeyboardInterrupt", message="", time=1.0, **TEXTS)
    return snapshot(job, pod(0, "Failed", exitCode=143, finishedAt=LATER), record=record_of(error))


def test_a_passed_deadline_is_told_before_what_it_provoked() -> None:
    found = failed("DeadlineExceeded").failure
    assert found is not None
    assert found.headline == "the job took longer than its deadline of 1h30m"
    assert "--deadline" in found.remedy
    assert found.rank is None


def test_without_a_deadline_the_exception_is_told() -> None:
    found = failed().failure
    assert found is not None
    assert found.headline == "KeyboardInterrupt"


PORTS = {
    "Python's words": "[Errno 98] Address already in use",
    "torch's words": "The server socket has failed to listen on any local network address. port: 29500 … EADDRINUSE",
}


@pytest.mark.parametrize("message", PORTS.values(), ids=PORTS)
def test_a_port_that_is_taken_is_explained(message: str) -> None:
    error = Rank(1).say("error", type="OSError", message=message, time=1.0, **TEXTS)
    found = snapshot(trainjob(condition=("Failed", "x")), record=record_of(error)).failure
    assert found is not None
    assert found.remedy == causes.PORT_TAKEN


def test_a_port_that_is_taken_is_found_in_the_log_of_the_node_that_failed() -> None:
    log = [LogLine(1.0, 1, "RuntimeError: … EADDRINUSE, address already in use")]
    pods = [pod(0, "Failed", exitCode=143, finishedAt=LATER), pod(1, "Failed", exitCode=1, finishedAt=LATER)]
    found = snapshot(trainjob(condition=("Failed", "x")), *pods, log=log).failure
    assert found is not None
    assert (found.headline, found.remedy) == ("rank 1 ended with exit code 1", causes.PORT_TAKEN)
    others = snapshot(trainjob(condition=("Failed", "x")), *pods, log=[LogLine(1.0, 0, log[0].text)]).failure
    assert others is not None
    assert not others.remedy


def test_a_program_over_its_limit_of_memory_is_called_so() -> None:
    killed = pod(0, "Failed", exitCode=137, reason="OOMKilled", finishedAt=LATER)
    found = snapshot(trainjob(nodes=1, condition=("Failed", "x")), killed).failure
    assert found is not None
    assert found.headline == "rank 0 was killed: it took more memory than its limit (exit code 137, OOMKilled)"
    assert "--memory" in found.remedy


def test_of_several_ranks_on_a_node_only_the_node_is_known_to_have_failed() -> None:
    job = trainjob(condition=("Failed", "x"))
    job["spec"]["trainer"]["numProcPerNode"] = 4
    found = snapshot(job, pod(0, "Failed", exitCode=3, finishedAt=LATER))
    assert found.ranks == 8
    assert found.failure is not None
    assert (found.failure.headline, found.failure.rank) == ("node 0 ended with exit code 3", None)


def test_torchruns_report_names_the_rank_that_its_exit_code_hides() -> None:
    pods = [pod(0, "Failed", exitCode=1, finishedAt=LATER), pod(1, "Failed", exitCode=1, finishedAt=LATER)]
    log = report(3, -9, node=1, at=1767225610.0)
    found = snapshot(trainjob(condition=("Failed", "x")), *pods, log=log).failure
    assert found is not None
    assert (found.headline, found.rank) == ("rank 3 was killed (exit code 137, SIGKILL)", 3)


def test_a_report_of_an_earlier_attempt_does_not_count() -> None:
    again = pod(0, "Failed", exitCode=5, finishedAt=LATER, created=LATER)
    log = report(3, -9, node=0, at=1767225601.0)
    found = snapshot(trainjob(nodes=1, condition=("Failed", "x")), again, log=log).failure
    assert found is not None
    assert found.headline == "rank 0 ended with exit code 5"


CAUSES = {
    "a signal counts as a shell counts it": (report(3, -9, node=1, at=1.0), Cause(3, 137)),
    "an exit code is itself": (report(3, 7, node=1, at=1.0), Cause(3, 7)),
    "the first of two nodes counts": (report(5, 1, node=2, at=1.0) + report(3, -9, node=1, at=2.0), Cause(5, 1)),
    "other words are no report": ([LogLine(1.0, 0, "  rank      : 3 (local_rank: 1)")], None),
    "a report that breaks off is none": (report(3, -9, node=1, at=1.0)[:-2], None),
}


@pytest.mark.parametrize(("log", "cause"), CAUSES.values(), ids=CAUSES)
def test_the_root_cause_in_a_log(log: list[LogLine], cause: Cause | None) -> None:
    assert root_cause(log) == cause


def test_two_nodes_that_speak_at_once_are_told_apart() -> None:
    first, second = report(1, -9, node=0, at=1.0), report(3, -15, node=1, at=1.0005)
    mixed = sorted([*first, *second], key=lambda line: line.time)
    assert root_cause(mixed) == Cause(1, 137)


def test_an_init_container_that_failed_is_named() -> None:
    refused = pod(1, "Failed")
    refused["spec"]["initContainers"] = [{"name": "prepare"}]
    refused["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "PodInitializing"}}
    ended = {"exitCode": 3, "finishedAt": LATER, "message": "no data"}
    refused["status"]["initContainerStatuses"] = [{"name": "prepare", "state": {"terminated": ended}}]
    found = snapshot(trainjob(condition=("Failed", "the API's words")), pod(0, "Running"), refused).failure
    assert found is not None
    assert found.headline == "container 'prepare' of rank 1 ended with exit code 3: no data"


def test_a_container_beside_the_one_that_trains_does_not_count_while_that_runs() -> None:
    both = pod(0, "Running")
    both["spec"]["containers"] = [{"name": "helper"}, {"name": "node"}]
    helper = {"name": "helper", "state": {"terminated": {"exitCode": 1, "finishedAt": LATER}}}
    both["status"]["containerStatuses"].insert(0, helper)
    assert failure.exit_code(both) is None
