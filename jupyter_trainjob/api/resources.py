"""The Kubernetes kinds that the project uses, with their groups, versions and plural names.

The client builds paths from a `Resource`, and the embedded API server serves the same table. Objects are plain dicts
(`KubeObject`), so that fields of newer servers are preserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob import constants

KubeObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of the API: where it is served and how it behaves."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    status: bool = False
    """Whether it has the status subresource."""
    short_names: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """Return ``group/version``, or ``version`` alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """Return the kind in lower case."""
        return self.kind.lower()

    @property
    def qualified(self) -> str:
        """Return ``plural.group`` as error messages and kubectl write it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of the collection or of one object."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource is not None:
            parts.append(subresource)
        return "/".join(parts)


NAMESPACES: Final = Resource("", "v1", "Namespace", "namespaces", namespaced=False, status=True, short_names=("ns",))
NODES: Final = Resource("", "v1", "Node", "nodes", namespaced=False, status=True, short_names=("no",))
PODS: Final = Resource("", "v1", "Pod", "pods", status=True, short_names=("po",))
SERVICES: Final = Resource("", "v1", "Service", "services", status=True, short_names=("svc",))
CONFIGMAPS: Final = Resource("", "v1", "ConfigMap", "configmaps", short_names=("cm",))
SECRETS: Final = Resource("", "v1", "Secret", "secrets")
PERSISTENTVOLUMECLAIMS: Final = Resource(
    "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", status=True, short_names=("pvc",)
)
EVENTS: Final = Resource("", "v1", "Event", "events", short_names=("ev",))
JOBS: Final = Resource("batch", "v1", "Job", "jobs", status=True)
PRIORITYCLASSES: Final = Resource(
    "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False, short_names=("pc",)
)
PODGROUPS: Final = Resource(
    "scheduling.x-k8s.io", "v1alpha1", "PodGroup", "podgroups", status=True, short_names=("pg", "pgs")
)
CUSTOMRESOURCEDEFINITIONS: Final = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False, status=True
)
LEASES: Final = Resource("coordination.k8s.io", "v1", "Lease", "leases")
MUTATINGWEBHOOKCONFIGURATIONS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    namespaced=False,
)
VALIDATINGWEBHOOKCONFIGURATIONS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
VOLCANO_PODGROUPS: Final = Resource("scheduling.volcano.sh", "v1beta1", "PodGroup", "podgroups", status=True)
"""Volcano's pod groups, which the embedded cluster does not serve."""
JOBSETS: Final = Resource(constants.JOBSET_GROUP, constants.JOBSET_VERSION, "JobSet", "jobsets", status=True)
TRAINJOBS: Final = Resource(constants.TRAINER_GROUP, constants.TRAINER_VERSION, "TrainJob", "trainjobs", status=True)
TRAININGRUNTIMES: Final = Resource(
    constants.TRAINER_GROUP, constants.TRAINER_VERSION, "TrainingRuntime", "trainingruntimes"
)
CLUSTERTRAININGRUNTIMES: Final = Resource(
    constants.TRAINER_GROUP,
    constants.TRAINER_VERSION,
    "ClusterTrainingRuntime",
    "clustertrainingruntimes",
    namespaced=False,
)

ALL: Final = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    CONFIGMAPS,
    SECRETS,
    PERSISTENTVOLUMECLAIMS,
    EVENTS,
    JOBS,
    PRIORITYCLASSES,
    PODGROUPS,
    JOBSETS,
    TRAINJOBS,
    TRAININGRUNTIMES,
    CLUSTERTRAININGRUNTIMES,
)
"""All kinds that the embedded cluster serves."""


def owner_reference(owner: KubeObject, *, controller: bool = True) -> KubeObject:
    """Return an ownerReference to `owner`, as controller-runtime's SetControllerReference and SetOwnerReference do."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return {**reference, "controller": True, "blockOwnerDeletion": True} if controller else reference


def controller_of(obj: KubeObject) -> KubeObject | None:
    """Return the ownerReference that controls `obj`, if any."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None
