"""CoScheduling: a PodGroup for runtimes with ``podGroupPolicy.coscheduling``, so that all pods start together or none.

Takes part in the pod group phase (each pod names the group by a label) and builds the PodGroup, before the JobSet: a
scheduler that knows PodGroups finds it when the first pod arrives. On a real cluster that is scheduler-plugins'
coscheduling, in the embedded one ``cluster.scheduler.scheduler``.
"""

from __future__ import annotations

from typing import Final

from jupyter_trainjob.api.kinds.podgroups import LABEL
from jupyter_trainjob.api.resources import PODGROUPS, KubeObject
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.pod_totals import pod_count, requested_resources

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
        """Do nothing: the JobSet plugin applies the counts."""

    def build(self, info: Info) -> list[KubeObject]:
        """Return the PodGroup, if the runtime's policy requires one."""
        settings = info.pod_group_policy("coscheduling")
        if settings is None:
            return []
        spec = {
            "minMember": pod_count(info.pod_sets),
            "minResources": requested_resources(info.pod_sets),
            "scheduleTimeoutSeconds": settings.get("scheduleTimeoutSeconds", DEFAULT_TIMEOUT_SECONDS),
        }
        return [{**info.new_object(PODGROUPS, info.name), "spec": spec}]
