"""Which ended pods the status of a Job counts already, and which shall never count.

Kubernetes knows by a finalizer on each pod, at one more write for each. Here the controller remembers it. When it
begins, it takes the larger of what the status says and of the failed pods that are there, and holds those for counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.job import failure_policy
from jupyter_trainjob.cluster.job.counts import phase


class Ledger:
    """The uids of counted pods, for each Job that is not finished."""

    def __init__(self) -> None:
        self._counted: dict[str, set[str]] = {}
        self._spared: dict[str, set[str]] = {}

    def counted(self, job: Object, pods: Sequence[Object]) -> Set[str]:
        """Return the uids of the pods of a Job that count no more."""
        uid = job["metadata"]["uid"]
        if uid not in self._counted:
            self._counted[uid] = _counted_before(job, pods)
        return self._counted[uid]

    def spared(self, job: Object) -> Set[str]:
        """Return the uids of the pods that are deleted without counting as failures."""
        return self._spared.get(job["metadata"]["uid"], frozenset())

    def settle(self, job: Object, uids: Iterable[str]) -> None:
        """Keep that the status counts these pods."""
        self._counted.setdefault(job["metadata"]["uid"], set()).update(uids)

    def spare(self, job: Object, uid: str) -> None:
        """Keep that this pod shall not count as a failure."""
        self._spared.setdefault(job["metadata"]["uid"], set()).add(uid)

    def forget(self, uid: str) -> None:
        """Forget a Job that is finished or gone."""
        self._counted.pop(uid, None)
        self._spared.pop(uid, None)


def _counted_before(job: Object, pods: Sequence[Object]) -> set[str]:
    """Return the pods that another controller's status counts: as many failed and succeeded ones as it says."""
    status = job.get("status") or {}
    failed = [pod["metadata"]["uid"] for pod in pods if phase(pod) == "Failed" and failure_policy.counts(job, pod)]
    succeeded = [pod["metadata"]["uid"] for pod in pods if phase(pod) == "Succeeded"]
    return {*failed[: status.get("failed", 0)], *succeeded[: status.get("succeeded", 0)]}
