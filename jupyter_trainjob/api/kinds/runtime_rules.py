"""The rules of Kubeflow Trainer's webhook that depend on the runtime of a TrainJob.

Ported from ``ValidateObjects`` (pkg/runtime/core) and the plugins' ``Validate`` of github.com/kubeflow/trainer v2.3.0,
with two deliberate differences. Runtime patches are validated against the unpatched runtime; upstream applies them
first, and thereby accepts every name (https://github.com/kubeflow/trainer/pull/3948). Updates are accepted after the
runtime was deleted (https://github.com/kubeflow/trainer/pull/3960).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from jupyter_trainjob import constants
from jupyter_trainjob.api import container_resources
from jupyter_trainjob.api.kinds import torchtune
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBSETS,
    PRIORITYCLASSES,
    TRAININGRUNTIMES,
    KubeObject,
    Resource,
)
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

_RESERVED: Final = {
    "torch": {"PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"},
    "mpi": {
        "OMPI_MCA_orte_default_hostfile",
        "OMPI_MCA_plm_rsh_args",
        "OMPI_MCA_orte_keep_fqdn_hostnames",
        "OMPI_MCA_orte_set_default_slots",
    },
    "xgboost": {"DMLC_TRACKER_URI", "DMLC_TRACKER_PORT", "DMLC_TASK_ID", "DMLC_NUM_WORKER"},
}
"""Environment variables that a policy's plugin sets itself."""
_INITIALIZERS: Final = {
    "dataset": (constants.ANCESTOR_DATASET_INITIALIZER, "datasetConfig"),
    "model": (constants.ANCESTOR_MODEL_INITIALIZER, "modelConfig"),
}
_INITIALIZER_MOUNT: Final = "initializer"
_REFERENCE: Final = "spec.runtimeRef"
_PATCHES: Final = "spec.runtimePatches"
_ENV: Final = "spec.trainer.env"
_SYSTEM_PRIORITIES: Final = ("system-cluster-critical", "system-node-critical")

FindObject = Callable[[Resource, str, str | None], KubeObject | None]
"""Returns the object of a kind, name and namespace (None for a kind without one); None if it does not exist."""


def validate(job: KubeObject, old: KubeObject | None, *, find: FindObject) -> Iterator[FieldError]:
    """Yield the errors in a TrainJob that depend on other objects; `old` is the TrainJob that it replaces."""
    if old is not None and job["spec"].get("runtimePatches") != old["spec"].get("runtimePatches"):
        yield from _check_inactive(job, find)
    runtime = _find_runtime(job, find)
    if runtime is None:
        if old is None:
            yield _missing_runtime_error(job)
        return
    spec = job["spec"]
    pods = _pods(runtime)
    for field, (name, config) in _INITIALIZERS.items():
        if (spec.get("initializer") or {}).get(field) is not None:
            yield from _check_initializer(spec, pods.get(name), name, config)
    for patch in spec.get("runtimePatches") or ():
        yield from _check_patch(spec, patch, pods)
    policy = (runtime.get("spec") or {}).get("mlPolicy") or {}
    yield from _check_policy(spec, policy, pods)
    if "volcano" in ((runtime.get("spec") or {}).get("podGroupPolicy") or {}):
        yield from _check_volcano(spec, runtime, pods, find)


def _find_runtime(job: KubeObject, find: FindObject) -> KubeObject | None:
    """Return the runtime that a TrainJob refers to; None if it, or its kind, does not exist."""
    reference = job["spec"]["runtimeRef"]
    if reference["kind"] == TRAININGRUNTIMES.kind:
        return find(TRAININGRUNTIMES, reference["name"], job["metadata"].get("namespace"))
    return find(CLUSTERTRAININGRUNTIMES, reference["name"], None)


def _check_inactive(job: KubeObject, find: FindObject) -> Iterator[FieldError]:
    """Yield an error for each replicated job that still runs while patches change: its pods would keep the old ones."""
    metadata = job["metadata"]
    jobset = find(JOBSETS, metadata["name"], metadata.get("namespace")) or {}
    for counts in (jobset.get("status") or {}).get("replicatedJobsStatus") or ():
        if counts.get("active", 0) > 0:
            active = f"when the JobSet's ReplicatedJob {counts['name']} is still active"
            yield FieldError(_PATCHES, schema.FORBIDDEN, f"Forbidden: RuntimePatches cannot be modified {active}")


def _check_volcano(
    spec: KubeObject, runtime: KubeObject, pods: dict[str, KubeObject], find: FindObject
) -> Iterator[FieldError]:
    patches = [patch.get("trainingRuntimeSpec") or {} for patch in spec.get("runtimePatches") or ()]
    templates = [part.get("template") or {} for part in (runtime["spec"], *patches)]
    annotations: dict[str, str] = {}
    for template in templates:
        annotations |= (template.get("metadata") or {}).get("annotations") or {}
    if annotations.get(constants.VOLCANO_QUEUE) == "":
        path = f"spec.annotations[{constants.VOLCANO_QUEUE}]"
        yield schema.invalid_error(path, "", "Volcano queue name must not be empty")
    for name in (pod.get("priorityClassName") for pod in pods.values()):
        if name in _SYSTEM_PRIORITIES:
            return  # as upstream: https://github.com/kubeflow/trainer/issues/3918
        if name and find(PRIORITYCLASSES, name, None) is None:
            message = f'PriorityClass "{name}" doesn\'t exist'
            not_found = f'PriorityClass.scheduling.k8s.io "{name}" not found'
            yield schema.invalid_error("spec.templateSpec.priorityClassName", name, f"{message}: {not_found}")


def _missing_runtime_error(job: KubeObject) -> FieldError:
    reference = job["spec"]["runtimeRef"]
    kind, name = reference["kind"], reference["name"]
    path = "spec.RuntimeRef" if kind == "ClusterTrainingRuntime" else _REFERENCE
    kind_name = kind[0].lower() + kind[1:]
    message = f'{kind}.{constants.TRAINER_GROUP} "{name}" not found: specified {kind_name} must be created before the '
    return schema.invalid_error(path, reference, f"{message}TrainJob is created")


def _pods(runtime: KubeObject) -> dict[str, KubeObject]:
    """Return the pod spec of each replicated job of a runtime."""
    spec = ((runtime.get("spec") or {}).get("template") or {}).get("spec") or {}
    return {job["name"]: _pod_spec(job) for job in spec.get("replicatedJobs") or ()}


def _pod_spec(job: KubeObject) -> KubeObject:
    pod_spec: KubeObject = (((job.get("template") or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
    return pod_spec


def _names(pod: KubeObject) -> set[str]:
    return {container["name"] for kind in ("initContainers", "containers") for container in pod.get(kind) or ()}


def _check_initializer(spec: KubeObject, pod: KubeObject | None, name: str, config: str) -> Iterator[FieldError]:
    reference = spec["runtimeRef"]
    if pod is None:
        yield schema.invalid_error(
            _REFERENCE, reference, f"must have {name} job when trainJob is configured with input {config}"
        )
        return
    if name not in _names(pod):
        yield schema.invalid_error(_REFERENCE, reference, f"must have container with name - {name} in the {name} job")
        return
    mounts = [
        mount for container in pod.get("containers") or () if container["name"] == name for mount in _mounts(container)
    ]
    if all(mount.get("name") != _INITIALIZER_MOUNT for mount in mounts):
        where = f"container {name} of the {name} job"
        yield schema.invalid_error(
            _REFERENCE, reference, f"must have volumeMount with name - {_INITIALIZER_MOUNT} in {where}"
        )


def _mounts(container: KubeObject) -> list[KubeObject]:
    return container.get("volumeMounts") or []


def _check_patch(spec: KubeObject, patch: KubeObject, pods: dict[str, KubeObject]) -> Iterator[FieldError]:
    template = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
    for job in (template.get("spec") or {}).get("replicatedJobs") or ():
        if job["name"] not in pods:
            message = "must not have replicated job that doesn't exist in the runtime job template"
            yield schema.invalid_error(_PATCHES, spec["runtimePatches"], message)
            continue
        runtime_names = _names(pods[job["name"]])
        for kind, word in (("initContainers", "initContainer"), ("containers", "container")):
            for container in _pod_spec(job).get(kind) or ():
                if container["name"] not in runtime_names:
                    message = f"must not have {word} that doesn't exist in the runtime job {job['name']}"
                    yield schema.invalid_error(_PATCHES, spec["runtimePatches"], message)


def _check_policy(spec: KubeObject, policy: KubeObject, pods: dict[str, KubeObject]) -> Iterator[FieldError]:
    """Yield the errors of the plugin that implements the runtime's ML policy."""
    checks = {"torch": _check_torch, "mpi": _check_mpi, "xgboost": _check_xgboost, "flux": _check_flux}
    for source, check in checks.items():
        if policy.get(source) is not None:
            yield from check(spec, policy[source], pods)


def _check_torch(spec: KubeObject, torch: KubeObject, pods: dict[str, KubeObject]) -> Iterator[FieldError]:
    for target in (torch.get("envInjection") or {}).get("targets") or ():
        for container in target["containerNames"]:
            if container not in _names(pods.get(target["jobName"]) or {}):
                where = f'podSet "{target["jobName"]}" container "{container}"'
                yield schema.invalid_error(
                    _REFERENCE, target, f"envInjection target {where} not found in runtime template"
                )
    yield from _check_reserved_variables(spec, "torch")
    trainer = spec.get("trainer") or {}
    if trainer.get("command") == torchtune.ENTRYPOINT:
        yield from torchtune.validate(spec, gpus=_gpus_per_node(trainer, pods))


def _check_mpi(spec: KubeObject, mpi: KubeObject, pods: dict[str, KubeObject]) -> Iterator[FieldError]:
    nodes = (spec.get("trainer") or {}).get("numNodes") or 1
    if mpi.get("runLauncherAsNode") and nodes > 1 and not {"launcher", "node"} <= set(pods):
        message = "must have 1 when MPI trainingRuntime with enabled runLauncherAsNode does not have either launcher"
        yield schema.invalid_error("spec.trainer.numNodes", nodes, f"{message} and node")
    yield from _check_reserved_variables(spec, "mpi")


def _check_xgboost(spec: KubeObject, _: KubeObject, pods: dict[str, KubeObject]) -> Iterator[FieldError]:  # noqa: ARG001
    for index, variable in enumerate((spec.get("trainer") or {}).get("env") or ()):
        if variable["name"] in _RESERVED["xgboost"]:
            message = f"Forbidden: {variable['name']} is reserved for the XGBoost runtime"
            yield FieldError(f"{_ENV}[{index}]", schema.FORBIDDEN, message)


def _check_flux(spec: KubeObject, flux: KubeObject, pods: dict[str, KubeObject]) -> Iterator[FieldError]:
    processes = (spec.get("trainer") or {}).get("numProcPerNode", flux.get("numProcPerNode"))
    if processes is not None and processes < 1:
        message = "must be greater than or equal to 1 for Flux TrainJob"
        yield schema.invalid_error("spec.trainer.numProcPerNode", processes, message)
    for container in (pods.get(constants.NODE_JOB) or {}).get("initContainers") or ():
        if container["name"] == constants.FLUX_INSTALLER:
            message = f"InitContainer '{constants.FLUX_INSTALLER}' is reserved"
            yield schema.invalid_error("spec.trainer.initContainers", constants.FLUX_INSTALLER, message)


def _check_reserved_variables(spec: KubeObject, source: str) -> Iterator[FieldError]:
    variables = (spec.get("trainer") or {}).get("env") or ()
    reserved = sorted({variable["name"] for variable in variables} & _RESERVED[source])
    if reserved:
        message = f"must not have reserved envs, invalid envs configured: [{' '.join(reserved)}]"
        yield schema.invalid_error(_ENV, variables, message)


def _gpus_per_node(trainer: KubeObject, pods: dict[str, KubeObject]) -> int:
    containers = (pods.get(constants.NODE_JOB) or {}).get("containers") or ()
    resources = next((c.get("resources") for c in containers if c["name"] == constants.NODE_CONTAINER), None)
    merged = container_resources.merge_resources(resources or {}, trainer.get("resourcesPerNode") or {})
    return container_resources.gpu_count(merged)
