from __future__ import annotations

import signal

import pytest

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.client.nodes import newest, nodes
from jupyter_trainjob.client.snapshot import Node, State
from jupyter_trainjob.constants import JOBSET_REPLICATEDJOB_NAME
from jupyter_trainjob.metrics.record import Record
from jupyter_trainjob.worker.protocol import Frame
from tests.unit.client.pods import pod
from tests.unit.metrics.frames import Rank, record_of


def one(found: Object | None, state: State, record: Record | None = None) -> Node:
    pods = [] if found is None else [found]
    (node,) = nodes(pods, record or Record(), count=1, processes=1, state=state)
    return node


def placed(**more: object) -> Object:
    return pod(0, placed=1, **more)  # type: ignore[arg-type]


LEAVING = placed(running=2, code=143)
LEAVING["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
REFUSED = placed(phase="Failed")
REFUSED["status"]["message"] = "no such volume"
PULLING = ("ImagePullBackOff", "no such image")
STATES: dict[str, tuple[Object | None, State, tuple[str, str]]] = {
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
    "never seen, in a job that failed": (None, State.FAILED, ("Gone", "")),
    "never seen, in a job that is suspended": (None, State.SUSPENDED, ("Stopped", "")),
}


@pytest.mark.parametrize(("found", "state", "expected"), STATES.values(), ids=STATES)
def test_the_state_of_a_node(found: Object | None, state: State, expected: tuple[str, str]) -> None:
    node = one(found, state)
    assert (node.state, node.reason) == expected


def test_a_node_is_known_by_its_pod_and_its_machine() -> None:
    assert one(placed(running=2), State.RUNNING) == Node(0, "a-b-node-0-0", "this-computer", "Running")
    assert one(None, State.QUEUED) == Node(0, "", "", "Waiting")


def test_the_exception_of_one_of_its_ranks_is_why_a_node_failed() -> None:
    texts = {"module": "builtins", "where": "", "source": "", "traceback": ""}
    late = Rank(3).say("error", type="RuntimeError", message="peer", time=2.0, **texts)
    early = Rank(2).say("error", type="ValueError", message="no", time=1.0, **texts)
    pods = [pod(index, placed=1, running=2, code=1) for index in (0, 1)]
    found = nodes(pods, record_of(late, early), count=2, processes=2, state=State.FAILED)
    assert [node.reason for node in found] == ["exit code 1", "ValueError: no"]
    assert [node.exit_code for node in found] == [1, 1]


def test_restarts_are_those_of_the_container_and_of_the_whole_job() -> None:
    assert one(placed(running=2, restarts=2, attempt=1), State.RUNNING).restarts == 3


def steps(rank: int, seconds: float) -> list[Frame]:
    times, done = [1 + seconds * step for step in range(20)], list(range(20))
    return Rank(rank).say("metrics", time=times, step=done, total=None, metrics={})


def test_a_rank_has_its_step_and_its_pace_on_its_node() -> None:
    record = record_of(*(steps(rank, 0.061 if rank == 5 else 0.039) for rank in range(8)), Rank(0).say("x"))
    found = nodes([], record, count=4, processes=2, state=State.RUNNING)
    assert [[rank.rank for rank in node.ranks] for node in found] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert [rank.slow for node in found for rank in node.ranks] == [False] * 5 + [True] + [False] * 2
    assert found[0].ranks[0].step == 19
    assert found[0].ranks[0].step_time == pytest.approx(0.039)


def test_a_rank_that_has_not_reported_has_no_step() -> None:
    record = record_of(Rank(0).say("start", time=1.0, world=1, host="a", pid=1, python="3"))
    (rank,) = one(None, State.RUNNING, record).ranks
    assert (rank.step, rank.step_time, rank.slow) == (None, None, False)


SAID = {"time": 5.0, "cpu": 1.5, "cpu_limit": 8.0, "memory": 1000, "memory_limit": 2**34, "gpus": []}


def test_the_first_rank_speaks_for_its_node() -> None:
    record = record_of(Rank(2).say("usage", **SAID))
    found = nodes([], record, count=2, processes=2, state=State.RUNNING)
    assert found[0].usage is None
    assert found[1].usage is not None
    assert found[1].usage.cpu == 1.5


def test_the_limits_of_the_pod_count_where_they_are_lower() -> None:
    record = record_of(Rank(0).say("usage", **SAID))
    limited = one(placed(running=2, limits={"cpu": "500m", "memory": "1Gi"}), State.RUNNING, record).usage
    free = one(placed(running=2), State.RUNNING, record).usage
    assert limited is not None
    assert free is not None
    assert (limited.cpu_limit, limited.memory_limit) == (0.5, 2**30)
    assert (free.cpu_limit, free.memory_limit) == (8.0, 2**34)


def test_of_two_pods_of_one_place_the_newer_counts_and_initializers_are_no_nodes() -> None:
    old, new, other = pod(0, code=1, running=0), pod(0, created=5), pod(1)
    initializer = pod(0, created=9)
    initializer["metadata"]["labels"][JOBSET_REPLICATEDJOB_NAME] = "dataset-initializer"
    assert newest([new, other, initializer, old]) == [new, other]
