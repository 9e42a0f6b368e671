"""Count the pods of a Job: active, terminating, succeeded and failed.

Counters only grow: the numbers of the status, plus the pods that ended since. `counted_pods` records which existing
pods the status has counted before.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.job import backoff_per_index, completion_indexes, pod_failure_policy

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class PodCounts:
    """The pods of a Job by state, and the numbers of its status."""

    active: list[KubeObject]
    terminating: list[KubeObject]
    """Pods that are being deleted and have not terminated."""
    failed_pods: list[KubeObject]
    """Failed pods, including those that the failure policy ignores, without those deleted by the controller."""
    succeeded: int
    failed: int
    completed: Set[int]
    """The completed indexes; empty in a NonIndexed Job."""
    failed_indexes: Set[int]
    """The failed indexes; empty unless failures count per index."""
    newly_counted: Set[str]
    """Uids of the pods that these numbers include for the first time."""

    @property
    def ready(self) -> int:
        """Return how many active pods are ready."""
        return sum(conditions.is_true(pod, "Ready") for pod in self.active)


def count_pods(job: KubeObject, pods: Sequence[KubeObject], *, counted: Set[str], exempt: Set[str]) -> PodCounts:
    """Count the pods of a Job.

    `counted` are the uids of the pods that its status counts already, `exempt` those of pods whose deletion does not
    count as a failure.
    """
    status = job.get("status") or {}
    succeeded = [pod for pod in pods if pod_phase(pod) == "Succeeded"]
    failed_pods = [pod for pod in pods if _has_failed(job, pod) and pod["metadata"]["uid"] not in exempt]
    new_failed = {
        uid
        for pod in failed_pods
        if (uid := pod["metadata"]["uid"]) not in counted and pod_failure_policy.counts_as_failure(job, pod)
    }
    new_succeeded = {pod["metadata"]["uid"] for pod in succeeded} - counted
    completed: Set[int] = set()
    total = status.get("succeeded", 0) + len(new_succeeded)
    if is_indexed(job):
        completions = job["spec"]["completions"]
        completed = completion_indexes.parse_indexes(status.get("completedIndexes") or "", completions=completions)
        completed |= {index for pod in succeeded if (index := completion_indexes.index_of(job, pod)) is not None}
        total = len(completed)
    return PodCounts(
        active=[pod for pod in pods if is_active(pod)],
        terminating=[pod for pod in pods if pod_phase(pod) not in TERMINAL_PHASES and is_deleted(pod)],
        failed_pods=failed_pods,
        succeeded=total,
        failed=status.get("failed", 0) + len(new_failed),
        completed=completed,
        failed_indexes=backoff_per_index.failed_indexes(job, failed_pods)
        if backoff_per_index.is_enabled(job)
        else frozenset(),
        newly_counted=frozenset(new_failed | new_succeeded),
    )


def is_indexed(job: KubeObject) -> bool:
    """Return whether a Job has completion mode Indexed."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def _has_failed(job: KubeObject, pod: KubeObject) -> bool:
    """Return whether a pod counts as failed; one being deleted does, unless ``podReplacementPolicy`` is Failed."""
    if pod_phase(pod) == "Failed":
        return True
    if job["spec"].get("podReplacementPolicy") == "Failed":
        return False
    return is_deleted(pod) and pod_phase(pod) != "Succeeded"


def is_active(pod: KubeObject) -> bool:
    """Return whether a pod is neither terminated nor being deleted."""
    return pod_phase(pod) not in TERMINAL_PHASES and not is_deleted(pod)


def is_deleted(pod: KubeObject) -> bool:
    """Return whether a pod is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def pod_phase(pod: KubeObject) -> str:
    """Return the phase of a pod."""
    return str((pod.get("status") or {}).get("phase") or "Pending")
