"""The intermediate object of the pipeline: a runtime's template with a TrainJob's wishes laid over it.

`new_info` makes it from a TrainJob and a runtime; the plugins of each phase change it; the JobSet builder turns it into
a JobSet. A `PodSet` is the view of one replicated job that plugins work on: its containers *are* those of the template,
so nothing has to be copied back.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.constants import ANCESTOR_LABEL, ANCESTOR_TRAINER, NODE_CONTAINER, NODE_JOB
from jupyter_trainjob.controller.framework import resources
from jupyter_trainjob.controller.framework.patches import merge_template
from jupyter_trainjob.controller.framework.unsupported import BuildError


@dataclass
class PodSet:
    """The pods of one replicated job."""

    name: str
    ancestor: str | None
    """Which part of the TrainJob they play: ``trainer``, ``dataset-initializer``, ``model-initializer``, or none."""
    count: int
    pod_spec: Object
    endpoints: list[str] = field(default_factory=list)
    """Host names of the pods, once the network is identified."""

    def container(self, name: str) -> Object | None:
        """Return a container by name; among regular ones first, then init containers."""
        for kind in ("containers", "initContainers"):
            for container in self.pod_spec.get(kind) or ():
                if container["name"] == name:
                    found: Object = container
                    return found
        return None


@dataclass
class Info:
    """What is known of a job while it goes through the phases."""

    train_job: Object
    labels: dict[str, str]
    annotations: dict[str, str]
    ml_policy: Object | None
    spec: Object
    """The JobSetSpec to be."""
    trainer: Object
    """The TrainJob's ``spec.trainer``, which plugins may rewrite; empty if it has none."""
    pod_sets: list[PodSet]
    group_policy: Object | None = None
    pod_labels: dict[str, str] = field(default_factory=dict)
    """Labels that all pods get, for the sake of the scheduler."""

    @property
    def name(self) -> str:
        """Return the name of the TrainJob, which is also the JobSet's."""
        return str(self.train_job["metadata"]["name"])

    def policy(self, source: str) -> Object | None:
        """Return the settings of an ML policy source such as ``torch``; None if the runtime does not name it."""
        settings: Object | None = (self.ml_policy or {}).get(source)
        return settings

    def pod_group_policy(self, source: str) -> Object | None:
        """Return the settings of a pod group policy such as ``coscheduling``; None if the runtime does not name it."""
        settings: Object | None = (self.group_policy or {}).get(source)
        return settings

    def pod_set_of(self, ancestor: str) -> PodSet | None:
        """Return the first pod set that plays this part."""
        return next((pods for pods in self.pod_sets if pods.ancestor == ancestor), None)

    def pod_set(self, name: str) -> PodSet | None:
        """Return the pod set of a replicated job."""
        return next((pods for pods in self.pod_sets if pods.name == name), None)

    def trainer_container(self) -> Object | None:
        """Return the container that trains."""
        pods = self.pod_set_of(ANCESTOR_TRAINER)
        return None if pods is None else pods.container(NODE_CONTAINER)

    def resources_per_node(self) -> Object:
        """Return what a node asks for, after the TrainJob's wishes were laid over the runtime's.

        Upstream looks at the TrainJob's wishes alone if there are any, so that a job that only raises its memory loses
        sight of the runtime's devices; the merged value is what the pod will have.
        """
        for pods in self.pod_sets:
            if pods.name == NODE_JOB or pods.ancestor == ANCESTOR_TRAINER:
                container = pods.container(NODE_CONTAINER)
                if container is not None and container.get("resources"):
                    found: Object = container["resources"]
                    return found
        return {}


def new_info(train_job: Object, runtime: Object) -> Info:
    """Return the info of a TrainJob under a runtime, with its patches and resources merged."""
    runtime_spec = runtime.get("spec") or {}
    template = runtime_spec.get("template") or {}
    patches = train_job["spec"].get("runtimePatches") or []
    ml_policy = runtime_spec.get("mlPolicy")
    spec = merge_template(template.get("spec") or {}, patches)
    trainer = dict(train_job["spec"].get("trainer") or {})
    if trainer.get("numNodes") is not None and trainer["numNodes"] < 1:
        raise BuildError(f"spec.trainer.numNodes is {trainer['numNodes']}; a job needs at least 1 node.")
    pod_sets = [_pod_set(job, ml_policy) for job in spec.get("replicatedJobs") or ()]
    for pods in pod_sets:
        if pods.ancestor == ANCESTOR_TRAINER and trainer.get("resourcesPerNode"):
            _merge_resources(pods, trainer["resourcesPerNode"])
    return Info(
        train_job=train_job,
        labels=_metadata("labels", template, patches),
        annotations=_metadata("annotations", template, patches),
        ml_policy=copy.deepcopy(ml_policy),
        spec=spec,
        trainer=trainer,
        pod_sets=pod_sets,
        group_policy=runtime_spec.get("podGroupPolicy"),
    )


def _metadata(field_name: str, template: Object, patches: list[Object]) -> dict[str, str]:
    merged = dict((template.get("metadata") or {}).get(field_name) or {})
    for patch in patches:
        patched = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
        merged.update((patched.get("metadata") or {}).get(field_name) or {})
    return merged


def _pod_set(job: Object, ml_policy: Object | None) -> PodSet:
    template = job.setdefault("template", {})
    ancestor = ((template.get("metadata") or {}).get("labels") or {}).get(ANCESTOR_LABEL)
    spec = template.setdefault("spec", {})
    count = spec.get("parallelism", 1)
    if ancestor == ANCESTOR_TRAINER and ml_policy is not None:
        count = ml_policy.get("numNodes", 1)
    pod_spec = spec.setdefault("template", {}).setdefault("spec", {})
    return PodSet(name=job["name"], ancestor=ancestor, count=max(count, 1), pod_spec=pod_spec)


def _merge_resources(pods: PodSet, wanted: Object) -> None:
    container = pods.container(NODE_CONTAINER)
    if container is not None:
        container["resources"] = resources.merge(container.get("resources") or {}, wanted)
