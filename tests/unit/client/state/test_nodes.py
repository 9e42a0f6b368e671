from __future__ import annotations

import signal

import pytest

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.snapshot import Node, State
from jupyter_trainjob.client.state.nodes import build_nodes, newest_pods
from jupyter_trainjob.constants import JOBSET_REPLICATEDJOB_NAME
from jupyter_trainjob.metrics.telemetry import Telemetry
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.client.pods import pod
from tests.unit.metrics.frames import Rank, record_of


def one(job_pod: KubeObject | None, state: State, record: Telemetry | None = None) -> Node:
    pods = [] if job_pod is None else [job_pod]
    (node,) = build_nodes(pods, record or Telemetry(), count=1, processes=1, state=state)
    return node


def placed(**more: object) -> KubeObject:
    return pod(0, placed=1, **more)  # type: ignore[arg-type]


LEAVING = placed(running=2, code=143)
LEAVING["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
REFUSED = placed(phase="Failed")
REFUSED["status"]["message"] = "no such volume"
PULLING = ("ImagePullBackOff", "no such image")
STATES: dict[str, tuple[KubeObject | None, State, tuple[str, str]]] = {
    "without a pod it waits": (None, State.QUEUED, ("Waiting", "")),
    "a pod that no machine takes waits": (pod(0), State.QUEUED, ("Waiting", "0/1 nodes are available")),
    "a pod that is placed starts": (placed(), State.STARTING, ("Starting", "")),
    "a pod without its image starts and says why": (
        placed(waiting=PULLING),
        State.STARTING,
        ("Starting", "its image cannot be pulled (ImagePullBackOff): no such image"),
    ),
    "a container that runs is running": (placed(running=2), State.RUNNING, ("Running", "")),
    "a program that ended well has succeeded": (placed(running=2, code=0), State.RUNNING, ("Succeeded", "")),
    "a program that ended otherwise has failed": (placed(running=2, code=3), State.RUNNING, ("Failed", "exit code 3")),
    "a program that was killed says by what": (
        placed(running=2, code=139),
        State.FAILED,
        ("Failed", "killed by SIGSEGV"),
    ),
    "a program that took too much memory says so": (
        placed(running=2, code=137, reason="OOMKilled"),
        State.FAILED,
        ("Failed", "it took more memory than its limit (OOMKilled)"),
    ),
    "a pod that was refused says why": (REFUSED, State.FAILED, ("Failed", "no such volume")),
    "who was asked to end since others failed has stopped": (
        placed(running=2, code=143),
        State.FAILED,
        ("Stopped", ""),
    ),
    "who was asked to end before a restart has stopped": (LEAVING, State.RUNNING, ("Stopped", "")),
    "who asked himself to end has failed": (
        placed(running=2, code=143),
        State.RUNNING,
        ("Failed", f"killed by {signal.SIGTERM.name}"),
    ),
    "last seen running, in a job that was stopped": (placed(running=2), State.STOPPED, ("Stopped", "")),
    "last seen running, in a job that is complete": (placed(running=2), State.COMPLETE, ("Succeeded", "")),
    "last seen running, in a job that failed": (placed(running=2), State.FAILED, ("Stopped", "")),
    "last seen running, in a job that was deleted": (placed(running=2), State.DELETED, ("Gone", "")),
    "never seen, in a job that is complete": (None, State.COMPLETE, ("Succeeded", "")),
    "deleted by the JobSet controller, in a job that failed": (None, State.FAILED, ("Stopped", "")),
    "never seen, in a job that is suspended": (None, State.SUSPENDED, ("Stopped", "")),
}


@pytest.mark.parametrize(("job_pod", "state", "expected"), STATES.values(), ids=STATES)
def test_state_of_a_node(job_pod: KubeObject | None, state: State, expected: tuple[str, str]) -> None:
    node = one(job_pod, state)
    assert (node.state, node.reason) == expected


def test_node_has_its_pod_and_host() -> None:
    assert one(placed(running=2), State.RUNNING) == Node(0, "a-b-node-0-0", "this-computer", "Running")
    assert one(None, State.QUEUED) == Node(0, "", "", "Waiting")


def test_reason_of_a_failed_node_is_the_exception_of_its_rank() -> None:
    texts = {"module": "builtins", "where": "", "source": "", "traceback": ""}
    late = Rank(3).say("error", type="RuntimeError", message="peer", time=2.0, **texts)
    early = Rank(2).say("error", type="ValueError", message="no", time=1.0, **texts)
    pods = [pod(index, placed=1, running=2, code=1) for index in (0, 1)]
    nodes = build_nodes(pods, record_of(late, early), count=2, processes=2, state=State.FAILED)
    assert [node.reason for node in nodes] == ["exit code 1", "ValueError: no"]
    assert [node.exit_code for node in nodes] == [1, 1]


def test_node_whose_rank_raised_has_failed_without_its_pod() -> None:
    texts = {"module": "builtins", "where": "", "source": "", "traceback": ""}
    record = record_of(Rank(1).say("error", type="ValueError", message="no", time=1.0, **texts))
    nodes = build_nodes([], record, count=2, processes=1, state=State.FAILED)
    assert [(node.state, node.reason) for node in nodes] == [("Stopped", ""), ("Failed", "ValueError: no")]


def test_restarts_count_the_container_and_the_whole_job() -> None:
    assert one(placed(running=2, restarts=2, attempt=1), State.RUNNING).restarts == 3


def steps(rank: int, seconds: float) -> list[Frame]:
    times, done = [1 + seconds * step for step in range(20)], list(range(20))
    return Rank(rank).say("metrics", time=times, step=done, total=None, metrics={})


def test_rank_has_its_step_and_step_time_on_its_node() -> None:
    record = record_of(*(steps(rank, 0.061 if rank == 5 else 0.039) for rank in range(8)), Rank(0).say("x"))
    nodes = build_nodes([], record, count=4, processes=2, state=State.RUNNING)
    assert [[rank.rank for rank in node.ranks] for node in nodes] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert [rank.slow for node in nodes for rank in node.ranks] == [False] * 5 + [True] + [False] * 2
    assert nodes[0].ranks[0].step == 19
    assert nodes[0].ranks[0].step_time == pytest.approx(0.039)


def test_rank_that_has_not_reported_has_no_step() -> None:
    record = record_of(Rank(0).say("start", time=1.0, world=1, host="a", pid=1, python="3"))
    (rank,) = one(None, State.RUNNING, record).ranks
    assert (rank.step, rank.step_time, rank.slow) == (None, None, False)


SAID = {"time": 5.0, "cpu": 1.5, "cpu_limit": 8.0, "memory": 1000, "memory_limit": 2**34, "gpus": []}


def test_usage_of_a_node_comes_from_its_first_rank() -> None:
    record = record_of(Rank(2).say("usage", **SAID))
    nodes = build_nodes([], record, count=2, processes=2, state=State.RUNNING)
    assert nodes[0].usage is None
    assert nodes[1].usage is not None
    assert nodes[1].usage.cpu == 1.5


def test_lower_limits_of_the_pod_replace_reported_limits() -> None:
    record = record_of(Rank(0).say("usage", **SAID))
    limited = one(placed(running=2, limits={"cpu": "500m", "memory": "1Gi"}), State.RUNNING, record).usage
    free = one(placed(running=2), State.RUNNING, record).usage
    assert limited is not None
    assert free is not None
    assert (limited.cpu_limit, limited.memory_limit) == (0.5, 2**30)
    assert (free.cpu_limit, free.memory_limit) == (8.0, 2**34)


def test_newest_pods_has_the_newer_pod_of_an_index_and_no_initializers() -> None:
    old, new, other = pod(0, code=1, running=0), pod(0, created=5), pod(1)
    initializer = pod(0, created=9)
    initializer["metadata"]["labels"][JOBSET_REPLICATEDJOB_NAME] = "dataset-initializer"
    assert newest_pods([new, other, initializer, old]) == [new, other]
