"""The intermediate object of the pipeline: a runtime's template merged with a TrainJob's settings.

`new_info` creates it from a TrainJob and a runtime, the plugins of each phase change it, and the JobSet plugin builds
the JobSet from it. A `PodSet` is a view of one replicated job: its containers are those of the template, so that
changes do not have to be copied back.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from jupyter_trainjob.api import container_resources
from jupyter_trainjob.api.resources import KubeObject, Resource, owner_reference
from jupyter_trainjob.constants import ANCESTOR_LABEL, ANCESTOR_TRAINER, FRAMEWORK_LABEL, NODE_CONTAINER, NODE_JOB
from jupyter_trainjob.controller.framework.pipeline_errors import BuildError
from jupyter_trainjob.controller.framework.runtime_patches import merge_runtime_patches


@dataclass
class PodSet:
    """The pods of one replicated job."""

    name: str
    ancestor: str | None
    """Their role in the TrainJob: ``trainer``, ``dataset-initializer``, ``model-initializer``, or none."""
    count: int
    pod_spec: KubeObject
    endpoints: Callable[[], Iterator[str]] = lambda: iter(())
    """Host names of the pods, one at a time, once the network is identified (upstream: ``iter.Seq``)."""

    def container(self, name: str) -> KubeObject | None:
        """Return a container by name; among regular ones first, then init containers."""
        for kind in ("containers", "initContainers"):
            for container in self.pod_spec.get(kind) or ():
                if container["name"] == name:
                    match: KubeObject = container
                    return match
        return None


@dataclass
class Info:
    """The state of a job in the pipeline."""

    train_job: KubeObject
    framework: str
    """The runtime's label ``trainer.kubeflow.org/framework``; empty if it has none."""
    labels: dict[str, str]
    annotations: dict[str, str]
    ml_policy: KubeObject | None
    spec: KubeObject
    """The JobSetSpec to build."""
    trainer: KubeObject
    """The TrainJob's ``spec.trainer``, which plugins may rewrite; empty if it has none."""
    pod_sets: list[PodSet]
    group_policy: KubeObject | None = None
    pod_labels: dict[str, str] = field(default_factory=dict)
    """Labels for all pods, read by the scheduler."""
    pod_annotations: dict[str, str] = field(default_factory=dict)
    """Annotations for all pods, read by the scheduler."""

    @property
    def name(self) -> str:
        """Return the name of the TrainJob, which is also the JobSet's."""
        return str(self.train_job["metadata"]["name"])

    def policy(self, source: str) -> KubeObject | None:
        """Return the settings of an ML policy source such as ``torch``; None if the runtime does not name it."""
        settings: KubeObject | None = (self.ml_policy or {}).get(source)
        return settings

    def pod_group_policy(self, source: str) -> KubeObject | None:
        """Return the settings of a pod group policy such as ``coscheduling``; None if the runtime does not name it."""
        settings: KubeObject | None = (self.group_policy or {}).get(source)
        return settings

    def pod_set_of(self, ancestor: str) -> PodSet | None:
        """Return the first pod set with this role."""
        return next((pods for pods in self.pod_sets if pods.ancestor == ancestor), None)

    def pod_set(self, name: str) -> PodSet | None:
        """Return the pod set of a replicated job."""
        return next((pods for pods in self.pod_sets if pods.name == name), None)

    def new_object(self, resource: Resource, name: str) -> KubeObject:
        """Return the type and the metadata of an object in the TrainJob's namespace that the TrainJob owns."""
        namespace = self.train_job["metadata"]["namespace"]
        metadata = {"name": name, "namespace": namespace, "ownerReferences": [owner_reference(self.train_job)]}
        return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}

    def runs_launcher_as_node(self) -> bool:
        """Return whether the launcher of an MPI job is one of its nodes: job ``node`` belongs to the trainer then."""
        return bool((self.policy("mpi") or {}).get("runLauncherAsNode"))

    def trainer_container(self) -> KubeObject | None:
        """Return the trainer's main container."""
        pods = self.pod_set_of(ANCESTOR_TRAINER)
        return None if pods is None else pods.container(NODE_CONTAINER)

    def resources_per_node(self) -> KubeObject:
        """Return the resources of a node: the TrainJob's merged into the runtime's.

        Upstream uses only the TrainJob's if there are any, so that a job that only raises its memory loses the
        runtime's devices; the merged value is what the pod gets.
        """
        for pods in self.pod_sets:
            if pods.name == NODE_JOB or pods.ancestor == ANCESTOR_TRAINER:
                container = pods.container(NODE_CONTAINER)
                if container is not None and container.get("resources"):
                    resources: KubeObject = container["resources"]
                    return resources
        return {}

    def gpus_per_node(self) -> int:
        """Return the number of a node's GPUs. Raises `BuildError` for an amount that is no quantity."""
        return _counted(container_resources.gpu_count, self.resources_per_node())

    def cpus_per_node(self) -> int:
        """Return the number of a node's CPUs, rounded up. Raises `BuildError` for an amount that is no quantity."""
        return _counted(container_resources.cpu_count, self.resources_per_node())


def _counted(count: Callable[[KubeObject], int], resources: KubeObject) -> int:
    try:
        return count(resources)
    except container_resources.InvalidResources as error:
        raise BuildError(str(error)) from error


def new_info(train_job: KubeObject, runtime: KubeObject) -> Info:
    """Return the info of a TrainJob under a runtime, with its patches and resources merged."""
    runtime_spec = runtime.get("spec") or {}
    template = runtime_spec.get("template") or {}
    patches = train_job["spec"].get("runtimePatches") or []
    ml_policy = runtime_spec.get("mlPolicy")
    spec = merge_runtime_patches(template.get("spec") or {}, patches)
    trainer = dict(train_job["spec"].get("trainer") or {})
    if trainer.get("numNodes") is not None and trainer["numNodes"] < 1:
        raise BuildError(f"spec.trainer.numNodes is {trainer['numNodes']}; a job needs at least 1 node.")
    pod_sets = [_pod_set(job, ml_policy) for job in spec.get("replicatedJobs") or ()]
    info = Info(
        train_job=train_job,
        framework=str((runtime["metadata"].get("labels") or {}).get(FRAMEWORK_LABEL, "")),
        labels=_metadata("labels", template, patches),
        annotations=_metadata("annotations", template, patches),
        ml_policy=copy.deepcopy(ml_policy),
        spec=spec,
        trainer=trainer,
        pod_sets=pod_sets,
        group_policy=runtime_spec.get("podGroupPolicy"),
    )
    for pods in pod_sets if trainer.get("resourcesPerNode") else ():
        if pods.ancestor == ANCESTOR_TRAINER or (pods.name == NODE_JOB and info.runs_launcher_as_node()):
            _merge_resources(pods, trainer["resourcesPerNode"])
    return info


def _metadata(field_name: str, template: KubeObject, patches: list[KubeObject]) -> dict[str, str]:
    merged = dict((template.get("metadata") or {}).get(field_name) or {})
    for patch in patches:
        patched = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
        merged.update((patched.get("metadata") or {}).get(field_name) or {})
    return merged


def _pod_set(job: KubeObject, ml_policy: KubeObject | None) -> PodSet:
    template = job.setdefault("template", {})
    ancestor = ((template.get("metadata") or {}).get("labels") or {}).get(ANCESTOR_LABEL)
    spec = template.setdefault("spec", {})
    count = spec.get("parallelism", 1)
    if ancestor == ANCESTOR_TRAINER and ml_policy is not None:
        count = ml_policy.get("numNodes", 1)
    pod_spec = spec.setdefault("template", {}).setdefault("spec", {})
    return PodSet(name=job["name"], ancestor=ancestor, count=max(count, 1), pod_spec=pod_spec)


def _merge_resources(pods: PodSet, wanted: KubeObject) -> None:
    container = pods.container(NODE_CONTAINER)
    if container is not None:
        container["resources"] = container_resources.merge_resources(container.get("resources") or {}, wanted)
