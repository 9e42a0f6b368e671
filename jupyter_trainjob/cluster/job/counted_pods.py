"""Record which ended pods a Job's status has counted, and which it must not count.

Kubernetes records this with a finalizer on each pod (``batch.kubernetes.io/job-tracking``), which costs one more write
for each. Here it is in memory. After a restart as many ended pods as the status counts are taken as counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.job import pod_failure_policy
from jupyter_trainjob.cluster.job.pod_counts import pod_phase


class CountedPods:
    """The uids of counted and of exempt pods, for each unfinished Job. Used by one worker thread for each Job."""

    def __init__(self) -> None:
        self._counted: dict[str, set[str]] = {}
        self._exempt: dict[str, set[str]] = {}

    def counted(self, job: KubeObject, pods: Sequence[KubeObject]) -> Set[str]:
        """Return the uids of the pods that the status of a Job has counted."""
        uid = job["metadata"]["uid"]
        if uid not in self._counted:
            self._counted[uid] = _counted_in_status(job, pods)
        return self._counted[uid]

    def exempt(self, job: KubeObject) -> Set[str]:
        """Return the uids of the pods that were deleted without counting as failures."""
        return self._exempt.get(job["metadata"]["uid"], frozenset())

    def mark_counted(self, job: KubeObject, uids: Iterable[str]) -> None:
        """Record that the status counts these pods."""
        self._counted.setdefault(job["metadata"]["uid"], set()).update(uids)

    def mark_exempt(self, job: KubeObject, uid: str) -> None:
        """Record that the deletion of this pod does not count as a failure."""
        self._exempt.setdefault(job["metadata"]["uid"], set()).add(uid)

    def forget(self, uid: str) -> None:
        """Remove the records of a Job that is finished or deleted."""
        self._counted.pop(uid, None)
        self._exempt.pop(uid, None)


def _counted_in_status(job: KubeObject, pods: Sequence[KubeObject]) -> set[str]:
    """Return the uids of the pods that a status counts: the first failed and succeeded ones, up to its numbers."""
    status = job.get("status") or {}
    failed = [
        pod["metadata"]["uid"]
        for pod in pods
        if pod_phase(pod) == "Failed" and pod_failure_policy.counts_as_failure(job, pod)
    ]
    succeeded = [pod["metadata"]["uid"] for pod in pods if pod_phase(pod) == "Succeeded"]
    return {*failed[: status.get("failed", 0)], *succeeded[: status.get("succeeded", 0)]}
