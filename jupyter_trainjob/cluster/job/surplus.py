"""Which active pods are too many (``activePodsForRemoval``)."""

from __future__ import annotations

from jupyter_trainjob.api import conditions
from jupyter_trainjob.api.pods import completion_index
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.job.counts import Counts, is_indexed, phase
from jupyter_trainjob.cluster.job.indexes import index_of


def surplus(job: Object, counts: Counts, wanted: int) -> list[Object]:
    """Return the pods to delete, so that `wanted` are left, and each index has one at most."""
    doubles = _doubles(job, counts)
    too_many = max(len(counts.active) - len(doubles) - wanted, 0)
    # Those that have come least far go first, and of those the highest indexes.
    rest = sorted((pod for pod in counts.active if pod not in doubles), key=_progress)
    return doubles + rest[:too_many]


def _doubles(job: Object, counts: Counts) -> list[Object]:
    """Return active pods of an Indexed Job that no index needs: done already, out of range, or twice."""
    if not is_indexed(job):
        return []
    found: list[Object] = []
    seen = set(counts.completed)
    for pod in sorted(counts.active, key=_progress, reverse=True):
        index = index_of(job, pod)
        if index is None or index in seen:
            found.append(pod)
        else:
            seen.add(index)
    return found


def _progress(pod: Object) -> tuple[bool, bool, bool, int]:
    ready, bound = conditions.is_true(pod, "Ready"), bool(pod["spec"].get("nodeName"))
    return bound, phase(pod) == "Running", ready, -(completion_index(pod) or 0)
