"""``backoffLimitPerIndex``: indexes that fail by themselves, each with a count that its pods carry on.

A pod's annotation says how many pods of its index failed before it, so that the count outlives those pods.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.job import failure_policy, indexes
from jupyter_trainjob.cluster.job.backoff import ended
from jupyter_trainjob.cluster.job.indexes import index_of

FAILURES: Final = "batch.kubernetes.io/job-index-failure-count"
IGNORED: Final = "batch.kubernetes.io/job-index-ignored-failure-count"


def applies(job: Object) -> bool:
    """Return whether a Job counts failures per index."""
    return job["spec"].get("backoffLimitPerIndex") is not None


def failed_indexes(job: Object, lost: Sequence[Object]) -> set[int]:
    """Return the indexes that have failed for good, given the failed pods."""
    spec, before = job["spec"], job.get("status") or {}
    found = indexes.parse(before.get("failedIndexes") or "", completions=spec["completions"])
    for pod in lost:
        index = index_of(job, pod)
        if index is None:
            continue
        action = failure_policy.match(job, pod).action
        used_up = action != failure_policy.IGNORE and _number(pod, FAILURES) >= spec["backoffLimitPerIndex"]
        if used_up or action == failure_policy.FAIL_INDEX:
            found.add(index)
    return found


def replaced(job: Object, lost: Sequence[Object], settled: Set[int]) -> dict[int, Object]:
    """Return for each index that is not settled the failed pod that its next pod replaces."""
    found: dict[int, Object] = {}
    for pod in lost:
        index = index_of(job, pod)
        if index is None or index in settled:
            continue
        last = found.get(index)
        if last is None or (absolute(last), ended(last)) <= (absolute(pod), ended(pod)):
            found[index] = pod
    return found


def counted_on(job: Object, before: Object | None) -> dict[str, str]:
    """Return the annotations of a new pod that takes the place of `before`."""
    if before is None:
        return {FAILURES: "0"}
    counts = failure_policy.counts(job, before)
    failures, ignored = _number(before, FAILURES) + counts, _number(before, IGNORED) + (not counts)
    return {FAILURES: str(failures), **({IGNORED: str(ignored)} if ignored else {})}


def absolute(pod: Object) -> int:
    """Return how many pods of its index failed before a pod, ignored ones included."""
    return _number(pod, FAILURES) + _number(pod, IGNORED)


def _number(pod: Object, key: str) -> int:
    text = (pod["metadata"].get("annotations") or {}).get(key, "")
    return int(text) if text.isdigit() else 0
