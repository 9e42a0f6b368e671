"""CoScheduling: a PodGroup for runtimes with ``podGroupPolicy.coscheduling``, so that all pods start together or none.

Takes part in the pod group phase (each pod names the group by a label) and builds the PodGroup, before the JobSet: a
scheduler that knows PodGroups finds it when the first pod comes. On a real cluster that is scheduler-plugins'
coscheduling, in the embedded one ``cluster.scheduler``. As upstream, all pods of all replicated jobs are counted, also
those that wait for others to end.
"""

from __future__ import annotations

from typing import Final

from jupyter_trainjob.api import quantity
from jupyter_trainjob.api.podgroups import LABEL
from jupyter_trainjob.api.resources import PODGROUPS, Object, owner_reference
from jupyter_trainjob.controller.framework.info import Info, PodSet

DEFAULT_TIMEOUT_SECONDS: Final = 60


class CoScheduling:
    """Labels the pods, and builds the PodGroup."""

    name = "CoScheduling"
    policies = frozenset({"coscheduling"})

    def enforce_pod_group_policy(self, info: Info) -> None:
        """Let every pod name the group, which has the name of the job."""
        if info.pod_group_policy("coscheduling") is not None:
            info.pod_labels[LABEL] = info.name

    def sync_parallel_count(self, info: Info) -> None:
        """Do nothing: the counts are the JobSet's business."""

    def build(self, info: Info) -> list[Object]:
        """Return the PodGroup, if the runtime asks for one."""
        settings = info.pod_group_policy("coscheduling")
        if settings is None:
            return []
        metadata = {
            "name": info.name,
            "namespace": info.train_job["metadata"]["namespace"],
            "ownerReferences": [owner_reference(info.train_job)],
        }
        spec = {
            "minMember": sum(pods.count for pods in info.pod_sets),
            "minResources": _requested(info.pod_sets),
            "scheduleTimeoutSeconds": settings.get("scheduleTimeoutSeconds", DEFAULT_TIMEOUT_SECONDS),
        }
        return [{"apiVersion": PODGROUPS.api_version, "kind": PODGROUPS.kind, "metadata": metadata, "spec": spec}]


def _requested(pod_sets: list[PodSet]) -> dict[str, str]:
    """Return what all pods ask for together, as quantities. Memory is written as it is mostly asked for: in Ki."""
    found = quantity.total(
        {name: each.count * amount for name, amount in quantity.pod_requests(each.pod_spec).items()}
        for each in pod_sets
    )
    return {name: quantity.canonical(found[name], binary=name == "memory") for name in sorted(found)}
