"""What each pod of a Job counts as: active, terminating, succeeded, failed; and what is in the counters already.

Counters only grow: what the status says, and the pods that ended since. Which of the pods that are still there the
status has counted before is the ledger's to know (see `ledger`).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.job import failure_policy, indexes, per_index

TERMINAL = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Counts:
    """The pods of a Job by what they count as."""

    active: list[Object]
    terminating: list[Object]
    """Pods that are being deleted and have not ended."""
    lost: list[Object]
    """Pods that failed, those that the policy ignores included, without those that were deleted as too many."""
    succeeded: int
    failed: int
    completed: Set[int]
    """The indexes that are done; empty for a Job without indexes."""
    failed_indexes: Set[int]
    """The indexes that have failed for good; empty unless failures count per index."""
    settled: Set[str]
    """Uids of the pods that these numbers count for the first time."""

    @property
    def ready(self) -> int:
        """Return how many active pods are ready."""
        return sum(conditions.is_true(pod, "Ready") for pod in self.active)


def count(job: Object, pods: Sequence[Object], *, counted: Set[str], spared: Set[str]) -> Counts:
    """Count the pods of a Job.

    `counted` holds the uids of those that its status counts already, `spared` of those that are deleted without blame.
    """
    before = job.get("status") or {}
    succeeded = [pod for pod in pods if phase(pod) == "Succeeded"]
    lost = [pod for pod in pods if _has_failed(job, pod) and pod["metadata"]["uid"] not in spared]
    new_failed = {
        uid for pod in lost if (uid := pod["metadata"]["uid"]) not in counted and failure_policy.counts(job, pod)
    }
    new_succeeded = {pod["metadata"]["uid"] for pod in succeeded} - counted
    completed: Set[int] = set()
    total = before.get("succeeded", 0) + len(new_succeeded)
    if is_indexed(job):
        completions = job["spec"]["completions"]
        completed = indexes.parse(before.get("completedIndexes") or "", completions=completions)
        completed |= {index for pod in succeeded if (index := indexes.index_of(job, pod)) is not None}
        total = len(completed)
    return Counts(
        active=[pod for pod in pods if is_active(pod)],
        terminating=[pod for pod in pods if phase(pod) not in TERMINAL and is_deleted(pod)],
        lost=lost,
        succeeded=total,
        failed=before.get("failed", 0) + len(new_failed),
        completed=completed,
        failed_indexes=per_index.failed_indexes(job, lost) if per_index.applies(job) else frozenset(),
        settled=frozenset(new_failed | new_succeeded),
    )


def is_indexed(job: Object) -> bool:
    """Return whether the pods of a Job have indexes."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def _has_failed(job: Object, pod: Object) -> bool:
    """Return whether a pod has failed: a deleted one has, unless the Job waits for the end of those."""
    if phase(pod) == "Failed":
        return True
    if job["spec"].get("podReplacementPolicy") == "Failed":
        return False
    return is_deleted(pod) and phase(pod) != "Succeeded"


def is_active(pod: Object) -> bool:
    """Return whether a pod runs or is going to: neither ended nor being deleted."""
    return phase(pod) not in TERMINAL and not is_deleted(pod)


def is_deleted(pod: Object) -> bool:
    """Return whether a pod is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def phase(pod: Object) -> str:
    """Return the phase of a pod."""
    return str((pod.get("status") or {}).get("phase") or "Pending")
