"""Every node of a job: what its pod is doing, what it uses, and how its ranks get on. Pure.

A node is a place in the job, not a machine: it is there before its pod, and stays when the pod is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from statistics import median

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.client import causes, pace
from jupyter_trainjob.client.failure import ASKED_TO_END, exit_code, training_container
from jupyter_trainjob.client.phases import restarts
from jupyter_trainjob.client.snapshot import Node, Rank, State, Usage
from jupyter_trainjob.constants import (
    ANCESTOR_DATASET_INITIALIZER,
    ANCESTOR_MODEL_INITIALIZER,
    JOBSET_REPLICATEDJOB_NAME,
)
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.record import Record

WINDOW = 30.0
"""Seconds of recent reports that the time of a step is taken from."""
PAIRS = 5
"""Fewer times between reports than these do not make a rank slow."""
BEFORE_TRAINING = (ANCESTOR_DATASET_INITIALIZER, ANCESTOR_MODEL_INITIALIZER)
AT_THE_END = {
    State.STOPPED: "Stopped",
    State.SUSPENDED: "Stopped",
    State.COMPLETE: "Succeeded",
    State.FAILED: "Stopped",
    State.DELETED: "Gone",
}
"""What a node is whose job does not go on, and whose pod was not seen to end."""


def newest(pods: Iterable[Object]) -> list[Object]:
    """Return the newest pod of each node that trains, by their index."""
    by_index: dict[int, Object] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"])):
        if (pod["metadata"].get("labels") or {}).get(JOBSET_REPLICATEDJOB_NAME) not in BEFORE_TRAINING:
            by_index[node_index(pod)] = pod
    return [by_index[index] for index in sorted(by_index)]


def nodes(pods: list[Object], record: Record, *, count: int, processes: int, state: State) -> tuple[Node, ...]:
    """Return `count` nodes of a job in `state`, each with that many `processes`; `pods` are the newest of each."""
    by_index = {node_index(pod): pod for pod in pods}
    ranks = _ranks(record)
    failures = {error.rank: f"{error.type}: {error.message}".rstrip(": ") for error in reversed(record.errors())}
    found = []
    for index in range(max([count, *(place + 1 for place in by_index)])):
        mine = range(index * processes, (index + 1) * processes)
        pod = by_index.get(index)
        node = Node(index, "", "", _without_pod(state)) if pod is None else _node(index, pod, state)
        cause = next((failures[rank] for rank in mine if rank in failures), "")
        usage = record.usage(mine.start)
        found.append(
            replace(
                node,
                reason=cause if cause and node.state == "Failed" else node.reason,
                usage=usage if usage is None or pod is None else _limited(usage, pod),
                ranks=tuple(ranks[rank] for rank in mine if rank in ranks),
            )
        )
    return tuple(found)


def _without_pod(state: State) -> str:
    return "Waiting" if state not in AT_THE_END else "Gone" if state is State.FAILED else AT_THE_END[state]


def _node(index: int, pod: Object, state: State) -> Node:
    status, code = pod.get("status") or {}, exit_code(pod)
    name, reason = _condition(pod, code, state)
    containers = [each for each in status.get("containerStatuses") or () if each["name"] == training_container(pod)]
    return Node(
        index=index,
        pod=pod["metadata"].get("name", ""),
        host=pod["spec"].get("nodeName") or "",
        state=name,
        reason=reason,
        restarts=sum(int(each.get("restartCount") or 0) for each in containers) + restarts([pod]),
        exit_code=code,
    )


def _condition(pod: Object, code: int | None, state: State) -> tuple[str, str]:
    """Return the state of a node with a pod, and why."""
    phase = (pod.get("status") or {}).get("phase")
    ending = state in AT_THE_END or bool(pod["metadata"].get("deletionTimestamp"))
    if phase == "Succeeded" or code == 0:
        return "Succeeded", ""
    if code == ASKED_TO_END and ending:
        return "Stopped", ""
    if code is not None or phase == "Failed":
        return "Failed", _why(pod, code)
    if state in AT_THE_END:
        return AT_THE_END[state], ""
    if phase == "Running":
        return "Running", ""
    waits = causes.waiting(pod)
    return ("Starting" if pod["spec"].get("nodeName") else "Waiting"), waits.text if waits else ""


def _why(pod: Object, code: int | None) -> str:
    status = pod.get("status") or {}
    for each in status.get("containerStatuses") or ():
        if ((each.get("state") or {}).get("terminated") or {}).get("reason") == "OOMKilled":
            return "it took more memory than its limit (OOMKilled)"
    taken = causes.taken_away(pod)
    if taken is not None:
        return taken.text
    if code is None:
        return str(status.get("message") or status.get("reason") or "")
    if not causes.is_signal(code):
        return f"exit code {code}"
    return f"killed by {causes.ended_by(code).text.partition(':')[0]}"


def _ranks(record: Record) -> dict[int, Rank]:
    times = {rank: record.step_times(rank, WINDOW) for rank in sorted(record.ranks)}
    usual = {rank: round(median(each), 6) for rank, each in times.items() if each}
    slow = pace.slow({rank: time for rank, time in usual.items() if len(times[rank]) >= PAIRS})
    return {rank: Rank(rank, record.step(rank), usual.get(rank), rank in slow) for rank in times}


def _limited(usage: Usage, pod: Object) -> Usage:
    """Return `usage` with the limits of the pod, where these are lower than what its processes could see."""
    container = next(each for each in pod["spec"]["containers"] if each["name"] == training_container(pod))
    limits = quantity.amounts((container.get("resources") or {}).get("limits"))
    cpu = [float(each) for each in (usage.cpu_limit, limits.get("cpu")) if each]
    memory = [int(each) for each in (usage.memory_limit, limits.get("memory")) if each]
    return replace(usage, cpu_limit=min(cpu, default=None), memory_limit=min(memory, default=None))
