"""batch/v1 Jobs as an API server completes and checks them (batch/v1 defaults, ValidateJob, ValidateJobUpdate)."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from jupyter_trainjob import constants
from jupyter_trainjob.api import jobpolicies, pods, schema
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.schema import FieldError

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


def complete(job: Object) -> None:
    """Fill in, in place, the defaults of a Job; with a uid also the selector and the labels that follow from it."""
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
    jobpolicies.complete(spec)
    template = spec.setdefault("template", {})
    _select_own_pods(job, spec, template)
    labels = (template.get("metadata") or {}).get("labels")
    if labels and "metadata" in job and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)
    pods.complete_spec(template.setdefault("spec", {}))


def check(job: Object, old: Object | None = None) -> Iterator[FieldError]:
    """Yield what is wrong with a Job; `old` is what it replaces."""
    spec = job.get("spec") or {}
    for name in _COUNTS:
        if spec.get(name, 0) < 0:
            yield pods.negative(f"spec.{name}", spec[name])
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in _MODES:
        yield pods.unsupported("spec.completionMode", mode, _MODES)
    if mode == "Indexed" and spec.get("completions") is None:
        message = "Required value: when completion mode is Indexed"
        yield FieldError("spec.completions", schema.REQUIRED, message)
    if mode == "NonIndexed":
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                message = f"Invalid value: {spec[name]}: requires indexed completion mode"
                yield FieldError(f"spec.{name}", schema.INVALID, message)
    yield from jobpolicies.check(spec)
    template = spec.get("template") or {}
    yield from pods.check_spec(template.get("spec") or {}, "spec.template.spec")
    policy = (template.get("spec") or {}).get("restartPolicy", "Always")
    if policy == "Always":
        message = 'Required value: valid values: "OnFailure", "Never"'
        yield FieldError("spec.template.spec.restartPolicy", schema.REQUIRED, message)
    elif policy != "Never" and spec.get("podFailurePolicy"):
        message = f'Invalid value: "{policy}": only "Never" is supported when podFailurePolicy is specified'
        yield FieldError("spec.template.spec.restartPolicy", schema.INVALID, message)
    if old is not None:
        yield from _check_change(spec, old)


def _select_own_pods(job: Object, spec: Object, template: Object) -> None:
    """Give the Job a selector of its own and its pods the labels for it, unless the user chose a selector."""
    metadata = job.get("metadata") or {}
    uid, name = metadata.get("uid"), metadata.get("name")
    if spec["manualSelector"] or spec.get("selector") or not uid:
        return
    spec["selector"] = {"matchLabels": {constants.JOB_CONTROLLER_UID: uid}}
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels.update(
        {constants.JOB_CONTROLLER_UID: uid, constants.JOB_NAME: name, "controller-uid": uid, "job-name": name}
    )


def _check_change(spec: Object, old_job: Object) -> Iterator[FieldError]:
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


def _fixed_template(spec: Object, old_job: Object) -> Any:
    """Return the part of the pod template that may not change now.

    While a Job is suspended and none of its pods runs, queueing systems may still say where its pods are to go and
    what they get (MutableSchedulingDirectivesForSuspendedJobs, MutablePodResourcesForSuspendedJobs).
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
