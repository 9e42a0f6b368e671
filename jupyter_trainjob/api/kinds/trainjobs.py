"""Defaults and validation of TrainJobs and runtimes, as in Kubeflow Trainer's admission webhooks.

The rules that need a TrainJob's runtime are in `runtime_rules`. The messages are those of pkg/webhooks and
pkg/runtime/framework/plugins/jobset in github.com/kubeflow/trainer v2.3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jupyter_trainjob import constants
from jupyter_trainjob.api import name_validation, times
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError

_RUNTIMES: Final = ("TrainingRuntime", "ClusterTrainingRuntime")
_CONTAINERS: Final = {
    constants.ANCESTOR_TRAINER: constants.NODE_CONTAINER,
    constants.ANCESTOR_DATASET_INITIALIZER: constants.ANCESTOR_DATASET_INITIALIZER,
    constants.ANCESTOR_MODEL_INITIALIZER: constants.ANCESTOR_MODEL_INITIALIZER,
}
"""The container that a replicated job must have, by the ancestor step in its label."""


def set_patch_times(job: KubeObject, old: KubeObject | None) -> None:
    """Set, in place, the time of each new or changed runtime patch; users cannot change it alone."""
    before = {patch.get("manager"): patch for patch in ((old or {}).get("spec") or {}).get("runtimePatches") or ()}
    for patch in (job.get("spec") or {}).get("runtimePatches") or ():
        old_patch = before.get(patch.get("manager"))
        if old_patch is None:
            patch["time"] = patch.get("time") or times.timestamp()
        elif without_time(patch) != without_time(old_patch):
            patch["time"] = times.timestamp()
        elif "time" in old_patch:
            patch["time"] = old_patch["time"]


def validate(job: KubeObject, old: KubeObject | None = None) -> Iterator[FieldError]:
    """Yield the errors of Trainer's webhook; `old` is the TrainJob that it replaces."""
    spec = job.get("spec") or {}
    reference = spec.get("runtimeRef") or {}
    if reference.get("apiGroup") != constants.TRAINER_GROUP or reference.get("kind") not in _RUNTIMES:
        wanted = f"{reference.get('kind')}.{reference.get('apiGroup')}"
        yield FieldError("", schema.INVALID, f"unsupported runtime: {wanted}")
        return
    for patch in spec.get("runtimePatches") or ():
        yield from _check_patch(spec, patch)
    before = (old or {}).get("spec") or {}
    if old is not None and not spec.get("suspend") and not before.get("suspend"):
        now, then = ([without_time(patch) for patch in side.get("runtimePatches") or ()] for side in (spec, before))
        if now != then:
            message = (
                "Forbidden: RuntimePatches can only be modified when the TrainJob is suspended before or after the "
                "update"
            )
            yield FieldError("spec.runtimePatches", schema.FORBIDDEN, message)


def validate_runtime(runtime: KubeObject, old: KubeObject | None = None) -> Iterator[FieldError]:
    """Yield the errors of Trainer's webhooks in a runtime, which do not validate updates of a namespaced one."""
    if old is not None and runtime.get("kind") == "TrainingRuntime":
        return
    jobs = (((runtime.get("spec") or {}).get("template") or {}).get("spec") or {}).get("replicatedJobs") or ()
    for index, job in enumerate(jobs):
        template = job.get("template") or {}
        step = ((template.get("metadata") or {}).get("labels") or {}).get(constants.ANCESTOR_LABEL)
        if step not in _CONTAINERS:
            continue
        path = f"spec.template.spec.replicatedJobs[{index}]"
        if job.get("replicas", 1) != 1:
            yield schema.invalid_error(f"{path}.replicas", job["replicas"], "always must be 1")
        pod = ((template.get("spec") or {}).get("template") or {}).get("spec") or {}
        if _CONTAINERS[step] not in {container.get("name") for container in pod.get("containers") or ()}:
            message = f"must contain the required container for the ancestor: {step}"
            where = f"{path}.template.spec.template.spec.containers"
            yield schema.invalid_error(where, pod.get("containers") or [], message)


def _check_patch(spec: KubeObject, patch: KubeObject) -> Iterator[FieldError]:
    if not name_validation.is_domain_prefixed_path(patch["manager"]):
        message = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield schema.invalid_error("spec.runtimePatches.manager", patch["manager"], message)
    template = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
    for job in (template.get("spec") or {}).get("replicatedJobs") or ():
        pod = (((job.get("template") or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in pod.get("containers") or ():
            if container.get("env") and container["name"] in _CONTAINERS.values():
                message = "must not have envs for the dataset-initializer, model-initializer, node containers"
                yield schema.invalid_error("spec.runtimePatches", spec["runtimePatches"], message)


def without_time(patch: KubeObject) -> Any:
    """Return a patch without the time that the server has set."""
    return {name: value for name, value in patch.items() if name != "time"}


def sender_patches(spec: KubeObject) -> list[KubeObject]:
    """Return the runtime patches that a TrainJob was created with, without those that admission added.

    A job of this package has exactly one. In a TrainJob that was written by hand every manager counts but Kueue's,
    whose webhook refuses a TrainJob that has its patch already (https://github.com/kubernetes-sigs/kueue/issues/15213).
    """
    patches = [without_time(patch) for patch in spec.get("runtimePatches") or ()]
    ours = [patch for patch in patches if patch.get("manager") == constants.PATCH_MANAGER]
    return ours or [patch for patch in patches if patch.get("manager") != constants.KUEUE_PATCH_MANAGER]
