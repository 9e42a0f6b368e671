from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.times import seconds
from jupyter_trainjob.client.causes import Warned
from jupyter_trainjob.client.derive import derive
from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.constants import (
    JOB_COMPLETION_INDEX,
    JOBSET_RESTART_ATTEMPT,
    RUNTIME_ANNOTATION,
    STOPPED_BY_ANNOTATION,
)
from jupyter_trainjob.metrics.record import Record
from tests.unit.metrics.frames import Rank, record_of

CREATED = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:00:10Z"


def trainjob(
    *, nodes: int = 2, suspend: bool = False, stopped: bool = False, condition: tuple[str, str] | None = None
) -> Object:
    annotations = {STOPPED_BY_ANNOTATION: "someone"} if stopped else {}
    status: Object = {}
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


def pod(index: int, phase: str = "Pending", *, node: bool = True, created: str = CREATED, **terminated: Any) -> Object:
    scheduled: Object = {"type": "PodScheduled", "status": "True" if node else "False", "lastTransitionTime": CREATED}
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


def snapshot(job: Object, *pods: Object, record: Record | None = None, **options: Any) -> Snapshot:
    return derive(job, pods, record or Record(), context="trainjob-local", **options)


RUNNING = [pod(0, "Running"), pod(1, "Running")]
STATES: dict[str, tuple[Object, list[Object], State]] = {
    "without pods it is queued": (trainjob(), [], State.QUEUED),
    "with pods that no node takes it is queued": (trainjob(), [pod(0, node=False), pod(1, node=False)], State.QUEUED),
    "with a pod placed it starts": (trainjob(), [pod(0)], State.STARTING),
    "with one pod running of two it starts": (trainjob(), [pod(0, "Running"), pod(1)], State.STARTING),
    "with all pods running it runs": (trainjob(), RUNNING, State.RUNNING),
    "with some pods done it runs": (trainjob(), [pod(0, "Succeeded", exitCode=0), RUNNING[1]], State.RUNNING),
    "suspended by Kubernetes it is suspended": (trainjob(suspend=True), [], State.SUSPENDED),
    "suspended by stop it is stopped": (trainjob(suspend=True, stopped=True), [], State.STOPPED),
    "complete is complete": (trainjob(condition=("Complete", "")), RUNNING, State.COMPLETE),
    "failed is failed": (trainjob(condition=("Failed", "x")), RUNNING, State.FAILED),
}


@pytest.mark.parametrize(("job", "pods", "expected"), STATES.values(), ids=STATES)
def test_the_state_of_a_job(job: Object, pods: list[Object], expected: State) -> None:
    assert snapshot(job, *pods).state is expected


def test_a_deleted_job_is_deleted_whatever_it_was() -> None:
    assert snapshot(trainjob(), *RUNNING, deleted=True).state is State.DELETED


def test_why_it_waits_is_said_in_the_schedulers_words() -> None:
    reason = snapshot(trainjob(), pod(0, node=False)).reason
    assert reason.startswith("no node has enough free CPUs (0/1 nodes are available: 1 Insufficient cpu). Ask for less")


def test_without_pods_the_newest_warning_is_the_reason() -> None:
    assert snapshot(trainjob(), warning=Warned("Failed", "no such runtime")).reason == "no such runtime"


def test_of_two_pods_of_one_index_the_newer_counts() -> None:
    old = pod(0, "Failed", exitCode=1)
    new = pod(0, "Running", created=LATER)
    assert snapshot(trainjob(nodes=1), new, old).state is State.RUNNING


EXITS = {
    "killed for memory or by hand": (137, "rank 1 was killed (exit code 137, SIGKILL)", "Out of memory"),
    "ended by a signal": (
        139,
        "rank 1 was killed (exit code 139, SIGSEGV: native code touched memory that is not its own)",
        "A native library is at fault",
    ),
    "ended by itself": (3, "rank 1 ended with exit code 3", ""),
    "ended by itself with -1": (255, "rank 1 ended with exit code 255", ""),
    "ended by a signal without a name": (168, "rank 1 was killed (exit code 168, signal 40)", ""),
    "more than any signal": (193, "rank 1 ended with exit code 193", ""),
}


@pytest.mark.parametrize(("code", "headline", "remedy"), EXITS.values(), ids=EXITS)
def test_a_rank_that_says_nothing_is_judged_by_its_exit_code(code: int, headline: str, remedy: str) -> None:
    pods = [pod(0, "Failed", exitCode=143, finishedAt=LATER), pod(1, "Failed", exitCode=code, finishedAt=CREATED)]
    failure = snapshot(trainjob(condition=("Failed", "x")), *pods).failure
    assert failure is not None
    assert failure.headline == headline
    assert failure.rank == 1
    assert failure.remedy.startswith(remedy)


def test_a_rank_that_was_asked_to_end_is_not_the_first_that_failed() -> None:
    stopped, failed = pod(0, "Failed", exitCode=143, finishedAt=LATER), pod(1, "Failed", exitCode=3, finishedAt=LATER)
    failure = snapshot(trainjob(condition=("Failed", "x")), stopped, failed).failure
    assert failure is not None
    assert failure.rank == 1


def test_a_pod_that_never_ran_says_why() -> None:
    refused = pod(1, "Failed")
    refused["status"]["message"] = "init containers are not supported"
    failure = snapshot(trainjob(condition=("Failed", "x")), pod(0, "Running"), refused).failure
    assert failure is not None
    assert failure.headline == "rank 1 could not run: init containers are not supported"


def test_the_exception_that_came_first_is_the_failure() -> None:
    texts = {"module": "builtins", "where": "Cell [2], line 4", "source": "boom()", "traceback": "Traceback …"}
    first = Rank(3).say("error", type="ValueError", message="no", time=1.0, **texts)
    second = Rank(0).say("error", type="RuntimeError", message="peer", time=2.0, **texts)
    failure = snapshot(trainjob(condition=("Failed", "x")), record=record_of(second, first)).failure
    assert failure is not None
    assert (failure.headline, failure.rank, failure.where) == ("ValueError: no", 3, "Cell [2], line 4")


def test_without_pods_or_frames_the_api_says_why() -> None:
    failure = snapshot(trainjob(condition=("Failed", "TrainJob exceeded its active deadline"))).failure
    assert failure is not None
    assert failure.headline == "TrainJob exceeded its active deadline"


def test_progress_and_time_left_follow_the_recent_pace() -> None:
    found = snapshot(trainjob(), *RUNNING, record=record_of(Rank(0).report(1, 20, 60)))
    assert (found.step, found.total) == (20, 60)
    assert found.progress == pytest.approx(1 / 3)
    assert found.eta == pytest.approx(40)
    assert found.metrics == {"loss": 1 / 20}


def test_a_complete_job_is_at_the_end_whatever_it_reported() -> None:
    found = snapshot(trainjob(condition=("Complete", "")), record=record_of(Rank(0).report(1, 20, 60)))
    assert found.progress == 1.0
    assert found.eta is None


def again(index: int, attempt: int) -> Object:
    found = pod(index, "Running", created=LATER)
    found["metadata"]["labels"][JOBSET_RESTART_ATTEMPT] = str(attempt)
    return found


def test_a_restarted_job_says_so_and_why() -> None:
    texts = {"module": "builtins", "where": "", "source": "", "traceback": ""}
    error = Rank(1, attempt=1).say("error", type="ValueError", message="no", time=1.0, **texts)
    begun = Rank(1, attempt=2).say("start", time=2.0, world=2, host="a", pid=1, python="3")
    found = snapshot(trainjob(), again(0, 2), again(1, 2), record=record_of(error, begun))
    assert found.restarts == 2
    assert found.reason == "restart 2 after rank 1: ValueError: no"


def test_the_time_of_a_restarted_job_begins_with_its_attempt() -> None:
    assert snapshot(trainjob(), again(0, 1), again(1, 1)).phases[0].started == seconds(LATER)


def test_the_last_phase_of_a_stopped_job_ends_when_it_was_stopped() -> None:
    start = {"world": 1, "host": "a", "pid": 1, "python": "3"}
    begun = Rank(0).say("start", time=seconds(CREATED) + 2, **start)
    job = trainjob(nodes=1, suspend=True, stopped=True, condition=("Suspended", ""))
    found = snapshot(job, pod(0, "Running"), record=record_of(begun))
    assert found.state is State.STOPPED
    assert (found.phases[-1].name, found.phases[-1].ended) == ("training", seconds(LATER))


def test_the_queue_of_a_resumed_job_begins_with_its_resumption() -> None:
    job = trainjob(condition=("Suspended", ""))
    job["status"]["conditions"][0]["status"] = "False"
    assert snapshot(job).phases[0].started == seconds(LATER)


def test_a_copy_of_a_runtime_is_called_by_the_name_that_the_user_chose() -> None:
    job = trainjob()
    job["metadata"]["annotations"][RUNTIME_ANNOTATION] = "plain"
    job["spec"]["runtimeRef"]["name"] = "a-b"
    assert snapshot(job).runtime == "plain"


def test_a_snapshot_has_its_nodes() -> None:
    found = snapshot(trainjob(), *RUNNING, record=record_of(Rank(0).report(1, 20, 60)))
    assert [(node.state, len(node.ranks)) for node in found.pods] == [("Running", 1), ("Running", 0)]
    assert (found.uid, found.procs_per_node) == ("u-1", 1)


def test_ranks_are_as_many_as_they_say_they_are() -> None:
    begun = Rank(0).say("start", time=1.0, world=6, host="a", pid=1, python="3")
    assert snapshot(trainjob(), *RUNNING, record=record_of(begun)).ranks == 6
    assert snapshot(trainjob(), *RUNNING).ranks == 2
