"""Number and requested resources of all pods of a TrainJob, for the plugins that build pod groups.

As upstream, the pods of all replicated jobs count, also those that wait for others to end.
"""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_trainjob.api import quantity
from jupyter_trainjob.controller.framework.info import PodSet


def pod_count(pod_sets: Sequence[PodSet]) -> int:
    """Return the number of pods."""
    return sum(pods.count for pods in pod_sets)


def requested_resources(pod_sets: Sequence[PodSet]) -> dict[str, str]:
    """Return the sum of the pods' requests, as quantities by resource; memory in Ki, as most requests are written."""
    total = quantity.sum_amounts(
        {name: pods.count * amount for name, amount in quantity.pod_requests(pods.pod_spec).items()}
        for pods in pod_sets
    )
    return {name: quantity.format_amount(total[name], binary=name == "memory") for name in sorted(total)}
