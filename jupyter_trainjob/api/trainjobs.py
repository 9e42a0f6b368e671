"""TrainJobs and runtimes as Kubeflow Trainer's admission webhooks complete and check them, without any look-up.

On a cluster with Kubeflow Trainer its own webhooks do this, and answer 403; the embedded API server has none, so the
rules stand here. Rules that need the runtime are the controller's, which tells in events and conditions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from jupyter_trainjob import constants
from jupyter_trainjob.api import schema, times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.schema import FieldError

_RUNTIMES: Final = ("TrainingRuntime", "ClusterTrainingRuntime")
_MANAGER: Final = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
)
_CONTAINERS: Final = {
    constants.ANCESTOR_TRAINER: constants.NODE_CONTAINER,
    constants.ANCESTOR_DATASET_INITIALIZER: constants.ANCESTOR_DATASET_INITIALIZER,
    constants.ANCESTOR_MODEL_INITIALIZER: constants.ANCESTOR_MODEL_INITIALIZER,
}
"""The container that a replicated job must have, by the step that its label says it implements."""


def complete(job: Object, old: Object | None) -> None:
    """Stamp, in place, the time of each runtime patch that is new or has changed; a user cannot change it alone."""
    before = {patch.get("manager"): patch for patch in ((old or {}).get("spec") or {}).get("runtimePatches") or ()}
    for patch in (job.get("spec") or {}).get("runtimePatches") or ():
        former = before.get(patch.get("manager"))
        if former is None:
            patch["time"] = patch.get("time") or times.timestamp()
        elif timeless(patch) != timeless(former):
            patch["time"] = times.timestamp()
        elif "time" in former:
            patch["time"] = former["time"]


def check(job: Object, old: Object | None = None) -> Iterator[FieldError]:
    """Yield what Trainer's webhook refuses; `old` is what the TrainJob replaces."""
    spec = job.get("spec") or {}
    reference = spec.get("runtimeRef") or {}
    if reference.get("apiGroup") != constants.TRAINER_GROUP or reference.get("kind") not in _RUNTIMES:
        known = ", ".join(f"{kind}.{constants.TRAINER_GROUP}" for kind in _RUNTIMES)
        wanted = f"{reference.get('kind')}.{reference.get('apiGroup')}"
        message = f'Invalid value: "{wanted}": unsupported runtime; it must be one of {known}'
        yield FieldError("spec.runtimeRef", schema.INVALID, message)
    for index, patch in enumerate(spec.get("runtimePatches") or ()):
        yield from _check_patch(patch, f"spec.runtimePatches[{index}]")
    before = (old or {}).get("spec") or {}
    if old is not None and not spec.get("suspend") and not before.get("suspend"):
        now, then = ([timeless(patch) for patch in side.get("runtimePatches") or ()] for side in (spec, before))
        if now != then:
            message = "Forbidden: runtimePatches can only be changed while the TrainJob is suspended"
            yield FieldError("spec.runtimePatches", schema.FORBIDDEN, message)


def check_runtime(runtime: Object, old: Object | None = None) -> Iterator[FieldError]:
    """Yield what Trainer's webhooks refuse in a runtime. An update of a namespaced one is not checked by them."""
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
            message = f"Invalid value: {job['replicas']}: always must be 1 for a job of a TrainJob's step"
            yield FieldError(f"{path}.replicas", schema.INVALID, message)
        pod = ((template.get("spec") or {}).get("template") or {}).get("spec") or {}
        if _CONTAINERS[step] not in {container.get("name") for container in pod.get("containers") or ()}:
            message = f'Required value: a job of step {step} must have a container named "{_CONTAINERS[step]}"'
            yield FieldError(f"{path}.template.spec.template.spec.containers", schema.REQUIRED, message)


def _check_patch(patch: Object, path: str) -> Iterator[FieldError]:
    if _MANAGER.fullmatch(patch["manager"]) is None:
        message = f'Invalid value: "{patch["manager"]}": must be a domain-prefixed path (such as "acme.io/foo")'
        yield FieldError(f"{path}.manager", schema.INVALID, message)
    template = (patch.get("trainingRuntimeSpec") or {}).get("template") or {}
    for job in (template.get("spec") or {}).get("replicatedJobs") or ():
        pod = (((job.get("template") or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in pod.get("containers") or ():
            if container.get("env") and container["name"] in _CONTAINERS.values():
                message = f"Forbidden: env of the container {container['name']} belongs in the TrainJob's own fields"
                yield FieldError(path, schema.FORBIDDEN, message)


def timeless(patch: Object) -> Any:
    """Return a patch without the time that the server wrote into it."""
    return {name: value for name, value in patch.items() if name != "time"}
