"""Select the pods of a TrainJob among pods that have its JobSet's name as a label.

A JobSet has the name of its TrainJob. Pods of an earlier job with the same name may still be terminating; they are
older than this TrainJob or have the uid of another JobSet.
"""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.constants import JOBSET_UID


def own_pods(trainjob: KubeObject, pods: Iterable[KubeObject]) -> list[KubeObject]:
    """Return the pods of the job's JobSet: those not older than the job, with the uid of the newest JobSet."""
    since = str(trainjob["metadata"]["creationTimestamp"])
    candidates = [pod for pod in pods if _creation_timestamp(pod) >= since]
    newest = max(candidates, key=_creation_timestamp, default=None)
    return [] if newest is None else [pod for pod in candidates if _jobset_uid(pod) == _jobset_uid(newest)]


def _creation_timestamp(pod: KubeObject) -> str:
    return str(pod["metadata"]["creationTimestamp"])


def _jobset_uid(pod: KubeObject) -> str:
    return str((pod["metadata"].get("labels") or {}).get(JOBSET_UID) or "")
