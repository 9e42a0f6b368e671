"""Defaults and validation of batch/v1 Jobs (batch/v1 defaults, ``ValidateJob``, ``ValidateJobUpdate``)."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from jupyter_trainjob import constants
from jupyter_trainjob.api.kinds import job_policies, pods
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.api.schemas import schema
from jupyter_trainjob.api.schemas.schema import FieldError
from jupyter_trainjob.constants import INDEXED_PODS_LIMIT

NO_LIMIT: Final = 2**31 - 1
"""The backoffLimit of a Job that counts failures per index."""

_MODES: Final = ("NonIndexed", "Indexed")
_COUNTS: Final = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_FIXED: Final = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def set_defaults(job: KubeObject) -> None:
    """Set, in place, the defaults of a Job; with a uid also the selector and the labels derived from it."""
    spec = job.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else NO_LIMIT)
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    job_policies.set_defaults(spec)
    template = spec.setdefault("template", {})
    _select_own_pods(job, spec, template)
    labels = (template.get("metadata") or {}).get("labels")
    if labels and "metadata" in job and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)
    pods.set_spec_defaults(template.setdefault("spec", {}))


def validate(job: KubeObject, old: KubeObject | None = None) -> Iterator[FieldError]:
    """Yield the errors in a Job; `old` is the Job that it replaces."""
    spec = job.get("spec") or {}
    yield from _check_counts(spec)
    yield from job_policies.validate(spec)
    template = spec.get("template") or {}
    yield from pods.validate_spec(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy", "Always")
    if policy == "Always":
        message = 'Required value: valid values: "OnFailure", "Never"'
        yield FieldError("spec.template.spec.restartPolicy", schema.REQUIRED, message)
    elif policy != "Never" and spec.get("podFailurePolicy"):
        message = f'Invalid value: "{policy}": only "Never" is supported when podFailurePolicy is specified'
        yield FieldError("spec.template.spec.restartPolicy", schema.INVALID, message)
    if old is not None:
        yield from _check_change(spec, old)


def _check_counts(spec: KubeObject) -> Iterator[FieldError]:
    for name in _COUNTS:
        if spec.get(name, 0) < 0:
            yield pods.negative_error(f"spec.{name}", spec[name])
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in _MODES:
        yield pods.unsupported_error("spec.completionMode", mode, _MODES)
    if mode == "Indexed" and spec.get("completions") is None:
        message = "Required value: when completion mode is Indexed"
        yield FieldError("spec.completions", schema.REQUIRED, message)
    if mode == "Indexed":
        for name in ("parallelism", "maxFailedIndexes"):
            if spec.get(name) is not None and spec[name] > INDEXED_PODS_LIMIT:
                bound = f"must be less than or equal to {INDEXED_PODS_LIMIT} when completion mode is Indexed"
                message = f"Invalid value: {spec[name]}: {bound}"
                yield FieldError(f"spec.{name}", schema.INVALID, message)
    if mode == "NonIndexed":
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                message = f"Invalid value: {spec[name]}: requires indexed completion mode"
                yield FieldError(f"spec.{name}", schema.INVALID, message)


def _select_own_pods(job: KubeObject, spec: KubeObject, template: KubeObject) -> None:
    """Set the Job's selector and the labels of its pods, unless the user has set a selector."""
    metadata = job.get("metadata") or {}
    uid, name = metadata.get("uid"), metadata.get("name") or ""
    if spec["manualSelector"] or spec.get("selector") or not uid:
        return
    spec["selector"] = {"matchLabels": {constants.JOB_CONTROLLER_UID: uid}}
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels.update(
        {constants.JOB_CONTROLLER_UID: uid, constants.JOB_NAME: name, "controller-uid": uid, "job-name": name}
    )


def _check_change(spec: KubeObject, old_job: KubeObject) -> Iterator[FieldError]:
    old = old_job.get("spec") or {}
    if spec.get("completions") != old.get("completions"):
        if spec.get("completionMode") != "Indexed":
            yield _immutable("spec.completions", spec.get("completions"))
        elif spec.get("completions") != spec.get("parallelism"):
            message = f"Invalid value: {spec.get('completions')}: can only be modified in tandem with spec.parallelism"
            yield FieldError("spec.completions", schema.INVALID, message)
    for name in _FIXED:
        if spec.get(name) != old.get(name):
            yield _immutable(f"spec.{name}", spec.get(name))
    if _fixed_template(spec, old_job) != _fixed_template(old, old_job):
        yield _immutable("spec.template", spec.get("template"))


def _fixed_template(spec: KubeObject, old_job: KubeObject) -> Any:
    """Return the part of the pod template that is immutable at present.

    While a Job is suspended and none of its pods runs, queueing systems may still set the node placement and the
    resources of its pods (MutableSchedulingDirectivesForSuspendedJobs, MutablePodResourcesForSuspendedJobs).
    """
    template = spec.get("template") or {}
    running = (old_job.get("status") or {}).get("active")
    if not (old_job.get("spec") or {}).get("suspend") or running:
        return template
    fixed = deepcopy(template)
    for name in ("labels", "annotations"):
        fixed.get("metadata", {}).pop(name, None)
    if not fixed.get("metadata"):
        fixed.pop("metadata", None)
    pod = fixed.get("spec") or {}
    for name in ("nodeSelector", "tolerations", "schedulingGates"):
        pod.pop(name, None)
    pod.get("affinity", {}).pop("nodeAffinity", None)
    if not pod.get("affinity"):
        pod.pop("affinity", None)
    for container in [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]:
        container.pop("resources", None)
    return fixed


def _immutable(path: str, value: Any) -> FieldError:
    shown = "object" if isinstance(value, (dict, list)) else value
    return FieldError(path, schema.INVALID, f'Invalid value: "{shown}": field is immutable')
