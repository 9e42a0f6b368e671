"""Choose the active pods to delete (``activePodsForRemoval``)."""

from __future__ import annotations

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.kinds.pods import completion_index
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.job.completion_indexes import index_of
from jupyter_trainjob.cluster.job.pod_counts import PodCounts, is_indexed, pod_phase


def find_excess_pods(job: KubeObject, counts: PodCounts, wanted: int) -> list[KubeObject]:
    """Return the pods to delete so that `wanted` remain, and at most one for each index."""
    duplicates = _duplicate_pods(job, counts)
    excess = max(len(counts.active) - len(duplicates) - wanted, 0)
    # The least advanced pods first, and of those the highest indexes.
    remaining = sorted((pod for pod in counts.active if pod not in duplicates), key=_progress)
    return duplicates + remaining[:excess]


def _duplicate_pods(job: KubeObject, counts: PodCounts) -> list[KubeObject]:
    """Return the active pods of an Indexed Job whose index is completed, out of range, or has another pod."""
    if not is_indexed(job):
        return []
    duplicates: list[KubeObject] = []
    indexes = set(counts.completed)
    for pod in sorted(counts.active, key=_progress, reverse=True):
        index = index_of(job, pod)
        if index is None or index in indexes:
            duplicates.append(pod)
        else:
            indexes.add(index)
    return duplicates


def _progress(pod: KubeObject) -> tuple[bool, bool, bool, int]:
    ready, bound = conditions.is_true(pod, "Ready"), bool(pod["spec"].get("nodeName"))
    return bound, pod_phase(pod) == "Running", ready, -(completion_index(pod) or 0)
