"""The phases of the pipeline, as Protocols: a plugin takes part in a phase by having its method.

In the order of a build: ML policy, pod group policy, pod network, parallel count, build. After it, on every reconcile:
status. The names are Kubeflow's extension points.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.controller.framework.info import Info


class Plugin(Protocol):
    """What every plugin has."""

    name: str
    policies: frozenset[str]
    """The policy sources of a runtime that it implements: names of fields of mlPolicy or podGroupPolicy."""


@runtime_checkable
class EnforceMLPolicy(Protocol):
    """Configures the pods for the runtime's ML policy."""

    def enforce_ml_policy(self, info: Info) -> None:
        """Change counts, environment and ports of the pod sets."""


@runtime_checkable
class EnforcePodGroupPolicy(Protocol):
    """Makes the pods a group for the scheduler."""

    def enforce_pod_group_policy(self, info: Info) -> None:
        """Change the labels that all pods get."""


@runtime_checkable
class IdentifyPodNetwork(Protocol):
    """Knows the host names that pods will have."""

    def identify_pod_network(self, info: Info) -> None:
        """Fill in the endpoints of the pod sets."""


@runtime_checkable
class ComponentBuilder(Protocol):
    """Makes the objects that a TrainJob becomes."""

    def sync_parallel_count(self, info: Info) -> None:
        """Carry the counts of the pod sets into the template."""

    def build(self, info: Info) -> list[KubeObject]:
        """Return the objects that shall exist."""
