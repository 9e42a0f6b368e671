from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.times import unix_seconds
from jupyter_trainjob.client.diagnosis.kubernetes_reasons import WarningEvent
from jupyter_trainjob.client.snapshot import Snapshot, State, Status
from jupyter_trainjob.client.state.derive import derive_snapshot, derive_state
from jupyter_trainjob.client.state.nodes import MAX_NODES_WITHOUT_POD
from jupyter_trainjob.constants import (
    JOB_COMPLETION_INDEX,
    JOBSET_RESTART_ATTEMPT,
    RUNTIME_ANNOTATION,
    STOPPED_BY_ANNOTATION,
)
from jupyter_trainjob.feed.view_state import row_json
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.rendering import tables, text
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.metrics.frames import Rank, record_of

CREATED = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:00:10Z"


def trainjob(
    *, nodes: int = 2, suspend: bool = False, stopped: bool = False, condition: tuple[str, str] | None = None
) -> KubeObject:
    annotations = {STOPPED_BY_ANNOTATION: "someone"} if stopped else {}
    status: KubeObject = {}
    if condition:
        kind, message = condition
        status["conditions"] = [{"type": kind, "status": "True", "message": message, "lastTransitionTime": LATER}]
    return {
        "metadata": {
            "name": "a-b",
            "uid": "u-1",
            "namespace": "default",
            "creationTimestamp": CREATED,
            "annotations": annotations,
        },
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "trainer": {"numNodes": nodes}, "suspend": suspend},
        "status": status,
    }


def pod(
    index: int, phase: str = "Pending", *, node: bool = True, created: str = CREATED, **terminated: Any
) -> KubeObject:
    scheduled: KubeObject = {
        "type": "PodScheduled",
        "status": "True" if node else "False",
        "lastTransitionTime": CREATED,
    }
    if not node:
        scheduled["message"] = "0/1 nodes are available: 1 Insufficient cpu."
    state = {"terminated": terminated} if terminated else {"running": {}} if phase == "Running" else {}
    return {
        "metadata": {
            "name": f"a-b-node-0-{index}",
            "labels": {JOB_COMPLETION_INDEX: str(index)},
            "creationTimestamp": created,
        },
        "spec": {"nodeName": "this-computer" if node else "", "containers": [{"name": "node"}]},
        "status": {"phase": phase, "conditions": [scheduled], "containerStatuses": [{"name": "node", "state": state}]},
    }


def snapshot(job: KubeObject, *pods: KubeObject, record: Telemetry | None = None, **options: Any) -> Snapshot:
    return derive_snapshot(job, pods, record or Telemetry(), context="trainjob-local", **options)


RUNNING = [pod(0, "Running"), pod(1, "Running")]
NAN, INF = math.nan, math.inf


def lossy(rank: int, *values: float, name: str = "loss", attempt: int = 1) -> list[Frame]:
    steps = list(range(1, len(values) + 1))
    columns = {"time": [float(step) for step in steps], "step": steps, "metrics": {name: list(values)}}
    return Rank(rank, attempt).say("metrics", total=None, **columns)


STATES: dict[str, tuple[KubeObject, list[KubeObject], State]] = {
    "without pods it is queued": (trainjob(), [], State.QUEUED),
    "with pods that no node takes it is queued": (trainjob(), [pod(0, node=False), pod(1, node=False)], State.QUEUED),
    "with a pod placed it starts": (trainjob(), [pod(0)], State.STARTING),
    "with one pod running of two it starts": (trainjob(), [pod(0, "Running"), pod(1)], State.STARTING),
    "with all pods running it runs": (trainjob(), RUNNING, State.RUNNING),
    "with a pod done it runs, though others have no room yet": (
        trainjob(nodes=3),
        [pod(0, "Succeeded", exitCode=0), pod(1, "Running"), pod(2, node=False)],
        State.RUNNING,
    ),
    "with some pods done it runs": (trainjob(), [pod(0, "Succeeded", exitCode=0), RUNNING[1]], State.RUNNING),
    "suspended by Kubernetes it is suspended": (trainjob(suspend=True), [], State.SUSPENDED),
    "suspended by stop it is stopped": (trainjob(suspend=True, stopped=True), [], State.STOPPED),
    "complete is complete": (trainjob(condition=("Complete", "")), RUNNING, State.COMPLETE),
    "failed is failed": (trainjob(condition=("Failed", "x")), RUNNING, State.FAILED),
}


@pytest.mark.parametrize(("job", "pods", "expected"), STATES.values(), ids=STATES)
def test_state_of_a_job(job: KubeObject, pods: list[KubeObject], expected: State) -> None:
    assert snapshot(job, *pods).state is expected


def test_deleted_job_is_deleted_in_every_state() -> None:
    assert snapshot(trainjob(), *RUNNING, deleted=True).state is State.DELETED


IMPOSSIBLE: dict[str, tuple[KubeObject, str]] = {
    "fewer nodes than none": ({"numNodes": -2}, "spec.trainer.numNodes is -2; it must be at least 1"),
    "no nodes": ({"numNodes": 0}, "spec.trainer.numNodes is 0; it must be at least 1"),
    "fewer processes than none": ({"numProcPerNode": -1}, "spec.trainer.numProcPerNode is -1; it must be at least 1"),
    "less than no CPU": (
        {"numNodes": 2, "resourcesPerNode": {"requests": {"cpu": "-500m"}}},
        "spec.trainer.resourcesPerNode.requests.cpu is -500m; it must be at least 0",
    ),
    "a limit of less than no memory": (
        {"resourcesPerNode": {"limits": {"memory": "-1Gi"}}},
        "spec.trainer.resourcesPerNode.limits.memory is -1Gi; it must be at least 0",
    ),
    "a request beyond its limit": (
        {"resourcesPerNode": {"requests": {"cpu": "4"}, "limits": {"cpu": "2"}}},
        "spec.trainer.resourcesPerNode.requests.cpu is 4; it must be at most its limit, 2",
    ),
}


@pytest.mark.parametrize("suspend", [False, True])
@pytest.mark.parametrize(("trainer", "problem"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_job_that_can_never_run_waits_and_its_reason_names_the_field(
    trainer: KubeObject, problem: str, *, suspend: bool
) -> None:
    job = trainjob(suspend=suspend)
    job["spec"]["trainer"] = trainer
    status = snapshot(job, warning=WarningEvent("Failed", "something else"))
    assert status.state is (State.SUSPENDED if suspend else State.QUEUED)
    assert status.reason == f"it can never run: {problem}. Delete it and send it again with another value."
    assert (status.nodes, status.procs_per_node) >= (1, 1)
    assert derive_state(job, []) is status.state
    assert status.reason in text.summary_line(status)
    assert problem[:30] in tables.jobs([status])
    assert status.reason == row_json(status)["reason"]


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_reason_of_a_finished_job_does_not_name_invalid_fields(kind: str) -> None:
    job = trainjob(nodes=-2, condition=(kind, "x"))
    assert "numNodes" not in snapshot(job).reason


def test_valid_resource_amounts_give_no_reason() -> None:
    job = trainjob()
    job["spec"]["trainer"]["resourcesPerNode"] = {
        "requests": {"cpu": "1", "x": "?"},
        "limits": {"cpu": 1, "memory": "0"},
    }
    assert snapshot(job).reason == ""


def test_reason_of_a_waiting_job_contains_the_schedulers_message() -> None:
    reason = snapshot(trainjob(), pod(0, node=False)).reason
    assert reason.startswith("no node has enough free CPUs (0/1 nodes are available: 1 Insufficient cpu). Ask for less")


def test_without_pods_the_newest_warning_is_the_reason() -> None:
    assert snapshot(trainjob(), warning=WarningEvent("Failed", "no such runtime")).reason == "no such runtime"


def test_newer_of_two_pods_with_the_same_index_counts() -> None:
    old = pod(0, "Failed", exitCode=1)
    new = pod(0, "Running", created=LATER)
    assert snapshot(trainjob(nodes=1), new, old).state is State.RUNNING


EXITS = {
    "killed for memory or by hand": (137, "rank 1 was killed (exit code 137, SIGKILL)", "Out of memory"),
    "ended by a signal": (
        139,
        "rank 1 was killed (exit code 139, SIGSEGV: native code accessed invalid memory)",
        "A native library is at fault",
    ),
    "ended with an exit code": (3, "rank 1 ended with exit code 3", ""),
    "ended with exit code -1": (255, "rank 1 ended with exit code 255", ""),
    "ended by a signal without a name": (168, "rank 1 was killed (exit code 168, signal 40)", ""),
    "more than any signal": (193, "rank 1 ended with exit code 193", ""),
}


@pytest.mark.parametrize(("code", "headline", "remedy"), EXITS.values(), ids=EXITS)
def test_failure_of_a_rank_without_reports_comes_from_its_exit_code(code: int, headline: str, remedy: str) -> None:
    pods = [pod(0, "Failed", exitCode=143, finishedAt=LATER), pod(1, "Failed", exitCode=code, finishedAt=CREATED)]
    failure = snapshot(trainjob(condition=("Failed", "x")), *pods).failure
    assert failure is not None
    assert failure.headline == headline
    assert failure.rank == 1
    assert failure.remedy.startswith(remedy)


def test_rank_ended_by_sigterm_did_not_fail_first() -> None:
    stopped, failed = pod(0, "Failed", exitCode=143, finishedAt=LATER), pod(1, "Failed", exitCode=3, finishedAt=LATER)
    failure = snapshot(trainjob(condition=("Failed", "x")), stopped, failed).failure
    assert failure is not None
    assert failure.rank == 1


def test_failure_of_a_pod_that_never_ran_has_its_message() -> None:
    refused = pod(1, "Failed")
    refused["status"]["message"] = "init containers are not supported"
    failure = snapshot(trainjob(condition=("Failed", "x")), pod(0, "Running"), refused).failure
    assert failure is not None
    assert failure.headline == "rank 1 could not run: init containers are not supported"


def test_first_exception_is_the_failure() -> None:
    texts = {"module": "builtins", "where": "Cell [2], line 4", "source": "boom()", "traceback": "Traceback …"}
    first = Rank(3).say("error", type="ValueError", message="no", time=1.0, **texts)
    second = Rank(0).say("error", type="RuntimeError", message="peer", time=2.0, **texts)
    failure = snapshot(trainjob(condition=("Failed", "x")), record=record_of(second, first)).failure
    assert failure is not None
    assert (failure.headline, failure.rank, failure.where) == ("ValueError: no", 3, "Cell [2], line 4")


def test_without_pods_and_frames_the_failure_is_the_conditions_message() -> None:
    failure = snapshot(trainjob(condition=("Failed", "TrainJob exceeded its active deadline"))).failure
    assert failure is not None
    assert failure.headline == "TrainJob exceeded its active deadline"


def test_remaining_time_follows_the_recent_pace() -> None:
    status = snapshot(trainjob(), *RUNNING, record=record_of(Rank(0).report(1, 20, 60)))
    assert (status.step, status.total) == (20, 60)
    assert status.progress == pytest.approx(1 / 3)
    assert status.eta == pytest.approx(40)
    assert status.metrics == {"loss": 1 / 20}


def test_progress_of_nodes_that_run_one_after_another_is_over_all_nodes() -> None:
    pods = [pod(0, "Succeeded", exitCode=0), pod(1, "Running"), pod(2, node=False), pod(3, node=False)]
    record = record_of(Rank(0).report(1, 60, 60), Rank(1).report(1, 30, 60))
    status = snapshot(trainjob(nodes=4), *pods, record=record)
    assert status.progress == pytest.approx(1.5 / 4)
    assert (status.nodes_done, status.ranks_running) == (1, 1)
    together = snapshot(trainjob(), *RUNNING, record=record_of(Rank(0).report(1, 20, 60)))
    assert together.progress == pytest.approx(1 / 3), "where only rank 0 reports, it speaks for all"


ALONE = (
    "No process group: each of the 4 ranks trains its own copy. Call torch.distributed.init_process_group() and wrap "
    "the model in DistributedDataParallel to train one model."
)
WARNINGS: dict[str, tuple[list[list[Frame]], int, list[str]]] = {
    "a loss that is NaN, and since when": ([lossy(0, 0.5, NAN, NAN)], 1, ["loss is NaN since step 2."]),
    "on which rank": ([lossy(0, 0.5), lossy(1, 0.5, NAN)], 2, ["loss is NaN on rank 1 since step 2."]),
    "on how many": (
        [lossy(0, 0.5), lossy(1, 0.5, NAN), lossy(2, 0.5, INF)],
        3,
        ["loss is NaN on 2 of 3 ranks since step 2."],
    ),
    "one that is infinite": ([lossy(0, 0.5, INF)], 1, ["loss is infinite since step 2."]),
    "nothing once it is a number again": ([lossy(0, NAN, 0.5)], 1, []),
    "nothing of what may be meant so": ([lossy(0, INF, INF, name="best")], 1, []),
    "ranks that train alone": (
        [Rank(0).say("solo", time=1.0)],
        4,
        [ALONE],
    ),
    "nothing of a rank that has no others": ([Rank(0).say("solo", time=1.0)], 1, []),
    "what rank 0 could not return": (
        [Rank(0).say("unsent", time=1.0, sentences=["--out a was not returned: no.", "--out b was not returned: no."])],
        2,
        ["--out a was not returned: no.", "--out b was not returned: no."],
    ),
    "what other ranks could not return": (
        [Rank(rank).say("unsent", time=1.0, sentences=["The value was not returned: no."]) for rank in (1, 3)],
        4,
        ["Rank 1: The value was not returned: no. The same on 1 more rank."],
    ),
    "nothing of what an earlier attempt was": ([Rank(0).say("solo", time=1.0), lossy(0, 0.5, attempt=2)], 4, []),
}


@pytest.mark.parametrize(("frames", "nodes", "expected"), WARNINGS.values(), ids=WARNINGS)
def test_warnings(frames: list[list[Frame]], nodes: int, expected: list[str]) -> None:
    assert list(snapshot(trainjob(nodes=nodes), record=record_of(*frames)).warnings) == expected


def test_image_phase_is_named_preparing_on_the_embedded_cluster() -> None:
    job, placed = trainjob(nodes=1), pod(0)
    here = derive_snapshot(job, [placed], Telemetry(), context="trainjob-local")
    elsewhere = derive_snapshot(job, [placed], Telemetry(), context="prod")
    assert (here.phases[-1].name, elsewhere.phases[-1].name) == ("preparing", "image")


def test_status_is_a_word_with_its_reason() -> None:
    waits = Status.of(snapshot(trainjob(), pod(0, node=False)))
    assert waits == State.QUEUED
    assert (f"{waits}", waits.value, waits.finished) == ("Queued", "Queued", False)
    assert repr(waits).startswith("Queued: no node has enough free CPUs")
    assert copy.deepcopy(waits).reason == waits.reason
    assert pickle.loads(pickle.dumps(waits)) == waits
    failed = Status.of(snapshot(trainjob(condition=("Failed", "too long"))))
    assert (repr(failed), failed.finished) == ("Failed: too long", True)
    assert repr(Status.of(snapshot(trainjob(condition=("Complete", ""))))) == "Complete"
    assert f"{State.RUNNING}" == str(State.RUNNING) == "Running"


def test_progress_of_a_complete_job_is_1_regardless_of_reports() -> None:
    status = snapshot(trainjob(condition=("Complete", "")), record=record_of(Rank(0).report(1, 20, 60)))
    assert status.progress == 1.0
    assert status.eta is None


def again(index: int, attempt: int) -> KubeObject:
    attempt_pod = pod(index, "Running", created=LATER)
    attempt_pod["metadata"]["labels"][JOBSET_RESTART_ATTEMPT] = str(attempt)
    return attempt_pod


def test_restarted_job_has_its_restarts_and_the_reason() -> None:
    texts = {"module": "builtins", "where": "", "source": "", "traceback": ""}
    error = Rank(1, attempt=1).say("error", type="ValueError", message="no", time=1.0, **texts)
    started = Rank(1, attempt=2).say("start", time=2.0, world=2, host="a", pid=1, python="3")
    status = snapshot(trainjob(), again(0, 2), again(1, 2), record=record_of(error, started))
    assert status.restarts == 2
    assert status.reason == "attempt 2 failed: rank 1: ValueError: no"
    done = trainjob(condition=("Complete", ""))
    status = snapshot(done, again(0, 2), again(1, 2), record=record_of(error, started))
    assert (status.restarts, status.reason) == (2, "attempt 2 failed: rank 1: ValueError: no")


def test_phases_of_a_restarted_job_start_with_its_attempt() -> None:
    assert snapshot(trainjob(), again(0, 1), again(1, 1)).phases[0].started == unix_seconds(LATER)


def test_last_phase_of_a_stopped_job_ends_when_it_was_stopped() -> None:
    start = {"world": 1, "host": "a", "pid": 1, "python": "3"}
    started = Rank(0).say("start", time=unix_seconds(CREATED) + 2, **start)
    job = trainjob(nodes=1, suspend=True, stopped=True, condition=("Suspended", ""))
    status = snapshot(job, pod(0, "Running"), record=record_of(started))
    assert status.state is State.STOPPED
    assert (status.phases[-1].name, status.phases[-1].ended) == ("training", unix_seconds(LATER))


def test_queued_phase_of_a_resumed_job_starts_with_its_resumption() -> None:
    job = trainjob(condition=("Suspended", ""))
    job["status"]["conditions"][0]["status"] = "False"
    assert snapshot(job).phases[0].started == unix_seconds(LATER)


def test_copy_of_a_runtime_has_the_name_that_the_user_chose() -> None:
    job = trainjob()
    job["metadata"]["annotations"][RUNTIME_ANNOTATION] = "plain"
    job["spec"]["runtimeRef"]["name"] = "a-b"
    assert snapshot(job).runtime == "plain"


def test_snapshot_has_its_nodes() -> None:
    status = snapshot(trainjob(), *RUNNING, record=record_of(Rank(0).report(1, 20, 60)))
    assert [(node.state, len(node.ranks)) for node in status.pods] == [("Running", 1), ("Running", 0)]
    assert (status.uid, status.procs_per_node) == ("u-1", 1)


def test_number_of_ranks_is_the_reported_world_size() -> None:
    started = Rank(0).say("start", time=1.0, world=6, host="a", pid=1, python="3")
    assert snapshot(trainjob(), *RUNNING, record=record_of(started)).ranks == 6
    assert snapshot(trainjob(), *RUNNING).ranks == 2


def test_nodes_of_a_suspended_job_are_limited() -> None:
    status = derive_snapshot(trainjob(nodes=2**31 - 1, suspend=True), [], Telemetry(), context="x")
    assert status.nodes == 2**31 - 1
    assert len(status.pods) == MAX_NODES_WITHOUT_POD
    far = derive_snapshot(trainjob(nodes=2**31 - 1), [pod(5_000, "Running")], Telemetry(), context="x")
    assert far.pods[-1].index == 5_000
