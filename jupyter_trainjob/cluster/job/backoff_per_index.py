"""``backoffLimitPerIndex``: each index has its own failure count and fails independently of the others.

An annotation of each pod holds how many pods of its index failed before it, so that the count outlives those pods
(https://kubernetes.io/docs/concepts/workloads/controllers/job/#backoff-limit-per-index).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.job import completion_indexes, pod_failure_policy
from jupyter_trainjob.cluster.job.completion_indexes import index_of
from jupyter_trainjob.cluster.job.pod_backoff import finish_time

FAILURE_COUNT: Final = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURE_COUNT: Final = "batch.kubernetes.io/job-index-ignored-failure-count"


def is_enabled(job: KubeObject) -> bool:
    """Return whether a Job counts failures per index."""
    return job["spec"].get("backoffLimitPerIndex") is not None


def failed_indexes(job: KubeObject, failed_pods: Sequence[KubeObject]) -> set[int]:
    """Return the indexes that have failed for good, given the failed pods."""
    spec, status = job["spec"], job.get("status") or {}
    indexes = completion_indexes.parse_indexes(status.get("failedIndexes") or "", completions=spec["completions"])
    for pod in failed_pods:
        index = index_of(job, pod)
        if index is None:
            continue
        action = pod_failure_policy.match_failure_policy(job, pod).action
        used_up = (
            action != pod_failure_policy.IGNORE and _annotated_count(pod, FAILURE_COUNT) >= spec["backoffLimitPerIndex"]
        )
        if used_up or action == pod_failure_policy.FAIL_INDEX:
            indexes.add(index)
    return indexes


def pods_to_replace(job: KubeObject, failed_pods: Sequence[KubeObject], excluded: Set[int]) -> dict[int, KubeObject]:
    """Return for each index outside `excluded` the last failed pod, which the next pod replaces."""
    last_failed: dict[int, KubeObject] = {}
    for pod in failed_pods:
        index = index_of(job, pod)
        if index is None or index in excluded:
            continue
        previous = last_failed.get(index)
        if previous is None or (total_failures(previous), finish_time(previous)) <= (
            total_failures(pod),
            finish_time(pod),
        ):
            last_failed[index] = pod
    return last_failed


def failure_annotations(job: KubeObject, replaced: KubeObject | None) -> dict[str, str]:
    """Return the failure-count annotations of a new pod that replaces `replaced`."""
    if replaced is None:
        return {FAILURE_COUNT: "0"}
    counts = pod_failure_policy.counts_as_failure(job, replaced)
    failures, ignored = (
        _annotated_count(replaced, FAILURE_COUNT) + counts,
        _annotated_count(replaced, IGNORED_FAILURE_COUNT) + (not counts),
    )
    return {FAILURE_COUNT: str(failures), **({IGNORED_FAILURE_COUNT: str(ignored)} if ignored else {})}


def total_failures(pod: KubeObject) -> int:
    """Return how many pods of its index failed before a pod, including ignored failures."""
    return _annotated_count(pod, FAILURE_COUNT) + _annotated_count(pod, IGNORED_FAILURE_COUNT)


def _annotated_count(pod: KubeObject, key: str) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(key, "")
    return int(text) if text.isdigit() else 0
