"""Build the nodes of a job: the state of each pod, its resource usage and the progress of its ranks. Pure.

A node is an index of the job, not a machine: it exists before its pod and after the pod is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from statistics import median

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.client.diagnosis import kubernetes_reasons
from jupyter_trainjob.client.diagnosis.failure import exit_code, training_container
from jupyter_trainjob.client.diagnosis.root_cause import SIGTERM_EXIT_CODE
from jupyter_trainjob.client.snapshot import Node, Rank, State, Usage
from jupyter_trainjob.client.state import stragglers
from jupyter_trainjob.client.state.phases import restart_count
from jupyter_trainjob.constants import (
    ANCESTOR_DATASET_INITIALIZER,
    ANCESTOR_MODEL_INITIALIZER,
    JOBSET_REPLICATEDJOB_NAME,
)
from jupyter_trainjob.metrics.history import node_index
from jupyter_trainjob.metrics.telemetry import Telemetry

MAX_NODES_WITHOUT_POD = 1_000
"""Limit for listed nodes without a pod: a suspended job may request any number of nodes."""
STEP_TIME_WINDOW = 30.0
"""Seconds of recent reports from which the step time is computed."""
MIN_STEP_TIMES = 5
"""Step times that a rank must have before it can count as slow."""
INITIALIZERS = (ANCESTOR_DATASET_INITIALIZER, ANCESTOR_MODEL_INITIALIZER)
FINAL_STATES = {
    State.STOPPED: "Stopped",
    State.SUSPENDED: "Stopped",
    State.COMPLETE: "Succeeded",
    State.FAILED: "Stopped",
    State.DELETED: "Gone",
}
"""The state of a node whose pod was not seen to end, by the state of a job that no longer runs."""


def newest_pods(pods: Iterable[KubeObject]) -> list[KubeObject]:
    """Return the newest pod of each training node, ordered by index; initializer pods are left out."""
    by_index: dict[int, KubeObject] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"])):
        if (pod["metadata"].get("labels") or {}).get(JOBSET_REPLICATEDJOB_NAME) not in INITIALIZERS:
            by_index[node_index(pod)] = pod
    return [by_index[index] for index in sorted(by_index)]


def build_nodes(
    pods: list[KubeObject], record: Telemetry, *, count: int, processes: int, state: State
) -> tuple[Node, ...]:
    """Return the nodes of a job in `state` with `count` nodes of `processes` ranks each, ordered by index.

    `pods` are the newest pods. Nodes beyond `MAX_NODES_WITHOUT_POD` are returned only if they have a pod.
    """
    by_index = {node_index(pod): pod for pod in pods}
    ranks = _build_ranks(record)
    failures = {error.rank: f"{error.type}: {error.message}".rstrip(": ") for error in reversed(record.errors())}
    nodes = []
    for index in sorted({*range(min(count, MAX_NODES_WITHOUT_POD)), *by_index}):
        node_ranks = range(index * processes, (index + 1) * processes)
        pod = by_index.get(index)
        cause = next((failures[rank] for rank in node_ranks if rank in failures), "")
        unseen = Node(index, "", "", FINAL_STATES.get(state, "Waiting"))
        node = unseen if pod is None else _build_node(index, pod, state)
        if cause and state is State.FAILED and node.state == "Stopped":
            # When a job fails, the JobSet controller deletes its pods, also those whose program was about to fail.
            node = replace(node, state="Failed")
        usage = record.usage(node_ranks.start)
        nodes.append(
            replace(
                node,
                reason=cause if cause and node.state == "Failed" else node.reason,
                usage=usage if usage is None or pod is None else _with_pod_limits(usage, pod),
                ranks=tuple(ranks[rank] for rank in node_ranks if rank in ranks),
            )
        )
    return tuple(nodes)


def _build_node(index: int, pod: KubeObject, state: State) -> Node:
    status, code = pod.get("status") or {}, exit_code(pod)
    name, reason = _state_and_reason(pod, code, state)
    containers = status.get("containerStatuses") or ()
    training = [container for container in containers if container["name"] == training_container(pod)]
    return Node(
        index=index,
        pod=pod["metadata"].get("name", ""),
        host=pod["spec"].get("nodeName") or "",
        state=name,
        reason=reason,
        restarts=sum(int(container.get("restartCount") or 0) for container in training) + restart_count([pod]),
        exit_code=code,
    )


def _state_and_reason(pod: KubeObject, code: int | None, state: State) -> tuple[str, str]:
    """Return the state of a node with a pod, and the reason, which may be empty."""
    phase = (pod.get("status") or {}).get("phase")
    ending = state in FINAL_STATES or bool(pod["metadata"].get("deletionTimestamp"))
    if phase == "Succeeded" or code == 0:
        return "Succeeded", ""
    if code == SIGTERM_EXIT_CODE and ending:
        return "Stopped", ""
    if code is not None or phase == "Failed":
        return "Failed", _failure_reason(pod, code)
    if state in FINAL_STATES:
        return FINAL_STATES[state], ""
    if phase == "Running":
        return "Running", ""
    cause = kubernetes_reasons.explain_waiting_pod(pod)
    return ("Starting" if pod["spec"].get("nodeName") else "Waiting"), cause.text if cause else ""


def _failure_reason(pod: KubeObject, code: int | None) -> str:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        if ((container.get("state") or {}).get("terminated") or {}).get("reason") == "OOMKilled":
            return "it took more memory than its limit (OOMKilled)"
    disruption = kubernetes_reasons.explain_disruption(pod)
    if disruption is not None:
        return disruption.text
    if code is None:
        return str(status.get("message") or status.get("reason") or "")
    if not kubernetes_reasons.is_signal(code):
        return f"exit code {code}"
    return f"killed by {kubernetes_reasons.explain_signal(code).text.partition(':')[0]}"


def _build_ranks(record: Telemetry) -> dict[int, Rank]:
    times = {rank: record.step_times(rank, STEP_TIME_WINDOW) for rank in sorted(record.ranks)}
    usual = {rank: round(median(step_times), 6) for rank, step_times in times.items() if step_times}
    slow = stragglers.find_stragglers(
        {rank: time for rank, time in usual.items() if len(times[rank]) >= MIN_STEP_TIMES}
    )
    return {rank: Rank(rank, record.step(rank), usual.get(rank), rank in slow) for rank in times}


def _with_pod_limits(usage: Usage, pod: KubeObject) -> Usage:
    """Return `usage` with the limits of the pod where these are lower than the limits seen by its processes."""
    container = next(
        candidate for candidate in pod["spec"]["containers"] if candidate["name"] == training_container(pod)
    )
    limits = quantity.parse_amounts((container.get("resources") or {}).get("limits"))
    cpu = [float(limit) for limit in (usage.cpu_limit, limits.get("cpu")) if limit]
    memory = [int(limit) for limit in (usage.memory_limit, limits.get("memory")) if limit]
    return replace(usage, cpu_limit=min(cpu, default=None), memory_limit=min(memory, default=None))
