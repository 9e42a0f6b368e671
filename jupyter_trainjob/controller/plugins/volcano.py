"""Volcano: a PodGroup of Volcano's for runtimes with ``podGroupPolicy.volcano``.

Takes part in the pod group phase (each pod names the group by an annotation) and builds the PodGroup, before the
JobSet. The runtime's pods must name Volcano's scheduler themselves (``schedulerName: volcano``).

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/runtime/framework/plugins/volcano/volcano.go
"""

from __future__ import annotations

from typing import Final

from jupyter_trainjob import constants
from jupyter_trainjob.api.resources import VOLCANO_PODGROUPS, KubeObject
from jupyter_trainjob.controller.framework.info import Info
from jupyter_trainjob.controller.framework.pod_totals import pod_count, requested_resources

GROUP_ANNOTATION: Final = "scheduling.k8s.io/group-name"


class Volcano:
    """Annotates the pods, and builds the PodGroup."""

    name = "Volcano"
    policies = frozenset({"volcano"})

    def enforce_pod_group_policy(self, info: Info) -> None:
        """Let every pod name the group, which has the name of the job."""
        if info.pod_group_policy("volcano") is not None:
            info.pod_annotations[GROUP_ANNOTATION] = info.name

    def sync_parallel_count(self, info: Info) -> None:
        """Do nothing: the JobSet plugin applies the counts."""

    def build(self, info: Info) -> list[KubeObject]:
        """Return the PodGroup, if the runtime's policy requires one."""
        settings = info.pod_group_policy("volcano")
        if settings is None:
            return []
        spec: KubeObject = {"minMember": pod_count(info.pod_sets), "minResources": requested_resources(info.pod_sets)}
        if constants.VOLCANO_QUEUE in info.annotations:
            spec["queue"] = info.annotations[constants.VOLCANO_QUEUE]
        for pods in info.pod_sets:
            if pods.pod_spec.get("priorityClassName"):
                spec["priorityClassName"] = pods.pod_spec["priorityClassName"]
        if settings.get("networkTopology"):
            spec["networkTopology"] = {"mode": "hard", "highestTierAllowed": 1, **settings["networkTopology"]}
        return [{**info.new_object(VOLCANO_PODGROUPS, info.name), "spec": spec}]
