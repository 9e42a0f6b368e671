"""Failures other than the exception of a rank: deadlines, ports, memory, torchrun's report."""

from __future__ import annotations

import pytest

from jupyter_trainjob.client.diagnosis import failure, kubernetes_reasons
from jupyter_trainjob.client.diagnosis.torchrun_errors import RankExit, find_root_cause
from jupyter_trainjob.client.snapshot import LogLine, Snapshot
from tests.unit.client.state.test_derive import LATER, pod, snapshot, trainjob
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


def test_passed_deadline_takes_precedence_over_exceptions_that_follow() -> None:
    job_failure = failed("DeadlineExceeded").failure
    assert job_failure is not None
    assert job_failure.headline == "the job took longer than its deadline of 1h30m"
    assert "--deadline" in job_failure.remedy
    assert job_failure.rank is None


def test_without_a_deadline_the_exception_is_the_failure() -> None:
    job_failure = failed().failure
    assert job_failure is not None
    assert job_failure.headline == "KeyboardInterrupt"


PORTS = {
    "Python's words": "[Errno 98] Address already in use",
    "torch's words": "The server socket has failed to listen on any local network address. port: 29500 … EADDRINUSE",
}


@pytest.mark.parametrize("message", PORTS.values(), ids=PORTS)
def test_exception_for_a_port_in_use_has_a_remedy(message: str) -> None:
    error = Rank(1).say("error", type="OSError", message=message, time=1.0, **TEXTS)
    job_failure = snapshot(trainjob(condition=("Failed", "x")), record=record_of(error)).failure
    assert job_failure is not None
    assert job_failure.remedy == kubernetes_reasons.PORT_TAKEN


@pytest.mark.parametrize(
    "message",
    ["nccl2 requires at least one CUDA device", "ProcessGroupNCCL is only supported with GPUs, no GPUs found!"],
)
def test_nccl_without_gpus_has_a_remedy(message: str) -> None:
    error = Rank(0).say("error", type="RuntimeError", message=message, time=1.0, **TEXTS)
    job_failure = snapshot(trainjob(condition=("Failed", "x")), record=record_of(error)).failure
    assert job_failure is not None
    assert 'init_process_group("gloo")' in job_failure.remedy


def test_port_in_use_is_found_in_the_log_of_the_failed_node() -> None:
    log = [LogLine(1.0, 1, "RuntimeError: … EADDRINUSE, address already in use")]
    pods = [pod(0, "Failed", exitCode=143, finishedAt=LATER), pod(1, "Failed", exitCode=1, finishedAt=LATER)]
    job_failure = snapshot(trainjob(condition=("Failed", "x")), *pods, log=log).failure
    assert job_failure is not None
    assert (job_failure.headline, job_failure.remedy) == (
        "rank 1 ended with exit code 1",
        kubernetes_reasons.PORT_TAKEN,
    )
    others = snapshot(trainjob(condition=("Failed", "x")), *pods, log=[LogLine(1.0, 0, log[0].text)]).failure
    assert others is not None
    assert not others.remedy


def test_oom_killed_program_exceeded_its_memory_limit() -> None:
    killed = pod(0, "Failed", exitCode=137, reason="OOMKilled", finishedAt=LATER)
    job_failure = snapshot(trainjob(nodes=1, condition=("Failed", "x")), killed).failure
    assert job_failure is not None
    assert job_failure.headline == "rank 0 was killed: it took more memory than its limit (exit code 137, OOMKilled)"
    assert "--memory" in job_failure.remedy


def test_failure_with_several_ranks_on_a_node_names_the_node() -> None:
    job = trainjob(condition=("Failed", "x"))
    job["spec"]["trainer"]["numProcPerNode"] = 4
    status = snapshot(job, pod(0, "Failed", exitCode=3, finishedAt=LATER))
    assert status.ranks == 8
    assert status.failure is not None
    assert (status.failure.headline, status.failure.rank) == ("node 0 ended with exit code 3", None)


def test_rank_and_exit_code_come_from_torchruns_report() -> None:
    pods = [pod(0, "Failed", exitCode=1, finishedAt=LATER), pod(1, "Failed", exitCode=1, finishedAt=LATER)]
    log = report(3, -9, node=1, at=1767225610.0)
    job_failure = snapshot(trainjob(condition=("Failed", "x")), *pods, log=log).failure
    assert job_failure is not None
    assert (job_failure.headline, job_failure.rank) == ("rank 3 was killed (exit code 137, SIGKILL)", 3)


def test_torchrun_report_of_an_earlier_attempt_does_not_count() -> None:
    again = pod(0, "Failed", exitCode=5, finishedAt=LATER, created=LATER)
    log = report(3, -9, node=0, at=1767225601.0)
    job_failure = snapshot(trainjob(nodes=1, condition=("Failed", "x")), again, log=log).failure
    assert job_failure is not None
    assert job_failure.headline == "rank 0 ended with exit code 5"


CAUSES = {
    "a signal is 128 plus its number": (report(3, -9, node=1, at=1.0), RankExit(3, 137)),
    "an exit code is itself": (report(3, 7, node=1, at=1.0), RankExit(3, 7)),
    "the first of two nodes counts": (report(5, 1, node=2, at=1.0) + report(3, -9, node=1, at=2.0), RankExit(5, 1)),
    "other words are no report": ([LogLine(1.0, 0, "  rank      : 3 (local_rank: 1)")], None),
    "a truncated report is ignored": (report(3, -9, node=1, at=1.0)[:-2], None),
}


@pytest.mark.parametrize(("log", "cause"), CAUSES.values(), ids=CAUSES)
def test_root_cause_in_a_log(log: list[LogLine], cause: RankExit | None) -> None:
    assert find_root_cause(log) == cause


def test_interleaved_reports_of_two_nodes_are_separated() -> None:
    first, second = report(1, -9, node=0, at=1.0), report(3, -15, node=1, at=1.0005)
    mixed = sorted([*first, *second], key=lambda line: line.time)
    assert find_root_cause(mixed) == RankExit(1, 137)


def test_init_container_that_failed_is_named() -> None:
    refused = pod(1, "Failed")
    refused["spec"]["initContainers"] = [{"name": "prepare"}]
    refused["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "PodInitializing"}}
    ended = {"exitCode": 3, "finishedAt": LATER, "message": "no data"}
    refused["status"]["initContainerStatuses"] = [{"name": "prepare", "state": {"terminated": ended}}]
    job_failure = snapshot(trainjob(condition=("Failed", "the API's words")), pod(0, "Running"), refused).failure
    assert job_failure is not None
    assert job_failure.headline == "container 'prepare' of rank 1 ended with exit code 3: no data"


def test_sidecar_exit_does_not_count_while_the_training_container_runs() -> None:
    both = pod(0, "Running")
    both["spec"]["containers"] = [{"name": "helper"}, {"name": "node"}]
    helper = {"name": "helper", "state": {"terminated": {"exitCode": 1, "finishedAt": LATER}}}
    both["status"]["containerStatuses"].insert(0, helper)
    assert failure.exit_code(both) is None
